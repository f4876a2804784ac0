"""Training and sampling of our own language models, as the benchmark times them."""

import itertools
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp

from benchmarks.language_flops import N_COMPLETION, Case
from lab import devices
from lab.lm import hf, transformer
from lab.lm.finetune import Tuning, train
from lab.lm.objectives import Part, Rows, take, token_loss
from lab.lm.sample import sample


def prepare(folder: Path, case: Case, n_turns: int) -> tuple[float, Callable, Callable]:
    """The loss on the first rows, a turn of training and a turn of sampling."""
    arch, params = hf.load(folder)
    rows = Rows(*map(jnp.asarray, case.rows()))
    some = take(rows, jnp.arange(case.batch))
    part = Part(some, jnp.ones(case.batch, bool), None, None, None)
    loss = jax.jit(token_loss, static_argnums=1)(params, arch, part)
    start, data = jax.tree.map(lambda x: x[None], (params, rows))
    keys, n_steps = jax.random.split(jax.random.key(0), 1), case.n_steps * n_turns
    chunks = train(arch, Tuning(batch=case.batch), n_steps, start, data, keys)
    whole, seeds = devices.on_each(params), itertools.count()

    def training() -> None:
        while next(chunks).done % case.n_steps:
            pass

    def sampling() -> None:
        for _ in range(case.n_calls):
            keys = jax.random.split(jax.random.key(next(seeds)), case.batch)
            # No token is the end: every row is drawn to its full length.
            drawn = sample(whole, arch, some.prompts, some.start, keys, N_COMPLETION, -1)
            jax.block_until_ready(drawn)  # calls do not overlap

    return float(loss), training, sampling


def save_models(folder: Path, cases: dict[str, Case]) -> None:
    """Parameters that all sides start from, as Hugging Face folders."""
    for name, case in cases.items():
        hf.save(folder / name, case.arch, transformer.init(jax.random.key(0), case.arch))
