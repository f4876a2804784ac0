"""The calls of our own language models that the benchmark times."""

from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import timing
from lab import devices
from lab.lm import finetune, hf, sample, transformer
from lab.lm.model import Architecture


def training(arch, params, rows, batch: int, n_steps: int, n_turns: int) -> Iterator:
    """Train one model; the parameters after every turn of `n_steps`."""
    one = lambda tree: jax.tree.map(lambda x: x[None], tree)
    recipe = finetune.Recipe(n_steps=n_steps * n_turns, batch=batch)
    keys = jax.random.split(jax.random.key(0), 1)
    for done, trained, _ in finetune.train(arch, recipe, one(params), one(rows), keys):
        if done % n_steps == 0:
            yield trained


def sampling(arch, params, rows, n_new: int, n_calls: int, n_turns: int) -> Iterator:
    """Draw `n_new` tokens after every prompt of `rows`; the tokens of each turn of calls."""
    params = devices.on_each(params)

    def one(turn: int, call: int):
        key = jax.random.fold_in(jax.random.key(turn), call)
        keys = jax.random.split(key, len(rows.length))
        # No token is the end: every row is drawn to its full length.
        drawn = sample.sample(params, arch, rows.prompts, rows.start, keys, n_new, -1)
        return jax.block_until_ready(drawn)  # calls do not overlap

    for turn in range(n_turns):
        yield [one(turn, call) for call in range(n_calls)]


def matmul_rate(e: int, m: int, k: int, n: int, repeat: int) -> float:
    """FLOP/s of E products [M K] x [K N], best of several runs of `repeat` different ones.

    They are one program, as in a step: else small ones would measure how fast Python calls.
    """
    # Drawn outside jax, which would compile a program for each shape.
    draw = np.random.default_rng(0).standard_normal
    a = jnp.asarray(draw((repeat, m, k) if e == 1 else (repeat, e, m, k), np.float32))
    b = jnp.asarray(draw((k, n) if e == 1 else (e, k, n), np.float32))
    multiply = jax.jit(lambda a, b: jax.lax.map(lambda x: jnp.matmul(x, b), a))
    seconds = timing.best(lambda: jax.block_until_ready(multiply(a, b)))
    return 2 * repeat * e * m * k * n / seconds


def save_models(folder: Path, models: dict[str, Architecture]) -> None:
    """Parameters that all sides start from, as Hugging Face folders."""
    for name, arch in models.items():
        hf.save(folder / name, arch, transformer.init(jax.random.key(0), arch))
