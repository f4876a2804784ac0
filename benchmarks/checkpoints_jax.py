"""Decoding and LoRA of a checkpoint by the lab, as the benchmark times them."""

import itertools
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.checkpoints_sizes import ALPHA, N_NEW, RANK, RATE, STREAMED, Case
from lab.lm import hf
from lab.lm.finetune import train
from lab.lm.held import held
from lab.lm.objectives import Part, Rows, token_loss
from lab.lm.sample import sample
from lab.lm.tuning import Tuning


def prepare(folder: Path, case: Case, n_turns: int) -> tuple[float, dict[str, Callable[[], None]]]:
    """The loss before training, or of the prompts; and the turns by name."""
    arch, params = hf.load(folder)
    if case.kind == "lora":
        return _lora(arch, params, case, n_turns)
    loss, seeds = _loss(params, arch, _rows(case.prompts(), 1)), itertools.count()
    params = held(params, case.dtype)
    prompts, start = jnp.asarray(case.prompts()), jnp.zeros(case.batch, jnp.int32)

    def writing(n_new: int) -> Callable[[], None]:
        def turn() -> None:
            keys = jax.random.split(jax.random.key(next(seeds)), case.batch)
            # No token is the end: every row is drawn to its full length.
            jax.block_until_ready(sample(params, arch, prompts, start, keys, n_new, -1))

        return turn

    return loss, {"first": writing(1), "all": writing(N_NEW)}


def _lora(arch, params, case: Case, n_turns: int):
    rows, precision = _rows(case.prompts(), case.n_tokens // 2), case.dtype
    how = Tuning(
        learning_rate=RATE, warmup=0, rank=RANK, alpha=ALPHA, batch=case.batch,
        adapter_start="kaiming", precision=precision, remat=jax.default_backend() != "cpu",
    )  # fmt: skip
    loss = _loss(params, arch, rows)
    params = jax.tree.map(lambda x: x.astype(precision), params)  # the base is frozen
    data, keys = jax.tree.map(lambda x: x[None], rows), jax.random.split(jax.random.key(0), 1)
    chunks = train(arch, how, n_turns, None, data, keys, base=params)

    def step() -> None:
        next(chunks)

    return loss, {"step": step}


def _rows(tokens: np.ndarray, n_prompt: int) -> Rows:
    n, width = tokens.shape
    full = jnp.full(n, width - n_prompt, jnp.int32)
    return Rows(
        jnp.asarray(tokens[:, :n_prompt]), jnp.zeros(n, jnp.int32),
        jnp.asarray(tokens[:, n_prompt:]), full,
    )  # fmt: skip


def _loss(params, arch, rows: Rows) -> float:
    part = Part(rows, jnp.ones(len(rows), bool), None, None, None)
    return float(jax.jit(token_loss, static_argnums=1)(params, arch, part))


def stream() -> tuple[Callable[[], None], int]:
    """A call that reads memory once from end to end, and the bytes that it reads."""
    numbers = jnp.ones((STREAMED // 4096, 4096))
    total = jax.jit(lambda x: jnp.sum(x, axis=0))

    def turn() -> None:
        jax.block_until_ready(total(numbers))

    return turn, numbers.nbytes


def device_peak() -> int | None:
    """Most bytes held on an accelerator so far; None on a CPU."""
    if jax.default_backend() == "cpu":
        return None
    return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
