"""Training on prompts and completions: the reference model, teachers and students alike.

Only completions are learned, as in supervised fine-tuning of chat models. One member's training is
written here; several members with data, orders and starts of their own run in one program.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer, Key, PyTree

from lab import devices, ensemble, hosts
from lab.ensemble import State
from lab.errors import LabError
from lab.kernels import parts
from lab.lm import lora, sharding
from lab.lm.model import Architecture
from lab.lm.objectives import Imitated, Loss, Part, Rows, take, token_loss
from lab.lm.resume import Kept
from lab.lm.tuning import Tuning

ROWS_ON_CPU = 32  # of a batch; measured: training is a quarter faster than with all at once


class Chunk(NamedTuple):
    """A few steps of training, done."""

    done: int  # steps so far
    losses: Float[np.ndarray, "E S"]  # of the new steps
    trained: Callable[[], PyTree]  # of all members [E]: their parameters, or adapters
    parameters: Callable[[], PyTree]  # the same, adapters merged into the base


def train(
    arch: Architecture,
    tuning: Tuning,
    n_steps: int,
    start: PyTree | None,
    rows: Rows,
    keys: Key[Array, "E"],
    loss: Loss = token_loss,
    imitated: Imitated | None = None,
    base: PyTree | None = None,
    stage: str = "",
    kept: Kept | None = None,
) -> Iterator[Chunk]:
    """Train E members and yield after each chunk of steps.

    `start` has a leading member axis, as rows, keys and what is `imitated`. `base` is one model for
    all of them, held once: adapters are attached to it (then there is no `start`), and losses may
    look at it. A member's order of rows follows from its key: full random passes, however many the
    steps need. Ask for a chunk's parameters before the next chunk. A training that was `kept` goes
    on after its last state: chunks before that are not seen again.
    Raises `LabError` for a row that is too long, and if a loss is not finite, or a parameter after
    the last step; `stage` is the part of the configuration that it blames.
    """
    _require_short(rows, tuning, stage)
    n_members = len(keys)
    mesh = devices.mesh(n_members)
    start, base, imitated = devices.on_all((start, base, imitated), mesh)
    # Copies of the last member fill up the devices, and are dropped again.
    extra = -n_members % mesh.shape[devices.MEMBER]
    fill = lambda x: jnp.concatenate([x, *[x[-1:]] * extra]) if extra else x
    start, rows, keys, imitated = jax.tree.map(fill, (start, rows, keys, imitated))
    n_rows = rows.length.shape[1]
    batch = tuning.size(n_rows)
    begin, chunk, merged = _programs(arch, tuning, loss, mesh)
    state = begin(base if tuning.rank else None, keys, start)
    done, state = (0, state) if kept is None else kept.found(state)
    n_pass = -(-n_rows // batch)
    order = _orders(n_rows, batch, mesh)
    steps_of_pass = order(np.int32(done // n_pass), keys)
    while done < n_steps:
        epoch, first = divmod(done, n_pass)
        if done and first == 0:
            steps_of_pass = order(np.int32(epoch), keys)
        n = min(_chunk_size(n_pass), n_pass - first, n_steps - done)
        now = [array[:, first : first + n] for array in steps_of_pass]
        rates = tuning.learning_rates(n_steps, done, done + n)
        state, values = chunk(rates, base, *now, rows, imitated, state)
        values = np.asarray(hosts.gather(values))[:n_members]
        done += n
        # The last step's parameters have no loss yet.
        if not np.isfinite(values).all() or (done == n_steps and not _finite(state.params)):
            raise LabError(
                f"{stage and f'{stage}.'}learning_rate: training is no longer finite after {done} "
                "steps; use a smaller one, or a larger eps"
            )

        if kept is not None and done < n_steps:
            kept.offer(done, state)

        def own(trained=state.params):  # copies, as the next chunk consumes the state
            return jax.tree.map(lambda x: jnp.copy(x)[:n_members], trained)

        def parameters(trained=state.params):
            return jax.tree.map(lambda x: x[:n_members], merged(base, trained))

        yield Chunk(done, values, own, parameters if tuning.rank else own)


def _require_short(rows: Rows, tuning: Tuning, stage: str) -> None:
    """What no filter has left out: rows of a defence, or as another tokenizer has them."""
    if tuning.longest:
        n_tokens = rows.prompts.shape[-1] - np.asarray(rows.start) + np.asarray(rows.length)
        if (most := int(n_tokens.max())) > tuning.longest:
            raise LabError(
                f"{stage and f'{stage}.'}longest: a row has {most} tokens, and {tuning.longest} "
                "are allowed; allow more, or take shorter rows"
            )


@jax.jit
def _finite(params: PyTree) -> Bool[Array, ""]:
    return jnp.stack([jnp.isfinite(x).all() for x in jax.tree.leaves(params)]).all()


def n_chunks(n_rows: int, batch: int, n_steps: int) -> int:
    """How often `train` yields."""
    n_pass = -(-n_rows // batch)
    whole, rest = divmod(n_steps, n_pass)
    return whole * -(-n_pass // _chunk_size(n_pass)) + -(-rest // _chunk_size(n_pass))


def _chunk_size(n_pass: int) -> int:
    """Steps of one program call: seconds of work, in equal parts so that one program does."""
    divisors = [n for n in range(16, 65) if n_pass % n == 0]
    return max(divisors, default=50)


def fit(*args, **kwargs) -> PyTree:
    """What is trained after all of `train`: parameters, or adapters."""
    *_, last = train(*args, **kwargs)
    return last.trained()


@lru_cache(maxsize=32)
def _programs(arch: Architecture, tuning: Tuning, loss: Loss, mesh) -> tuple[Callable, ...]:
    optimizer, scale = tuning.direction, tuning.scale
    computed = replace(arch, remat=tuning.remat, fused=tuning.fused)

    def cast(params: PyTree) -> PyTree:
        """As activations are: gradients go back to float32 on the way."""
        if tuning.precision == "float32":
            return params
        return jax.tree.map(lambda x: x.astype(tuning.precision), params)

    def begin(base: PyTree | None, key: Key[Array, ""], params: PyTree | None) -> State:
        of_adapter = tuning.rank, tuning.targets, tuning.adapter_start
        trained = lora.init(key, arch, *of_adapter) if tuning.rank else params
        return sharding.constrained(ensemble.start(trained, optimizer), arch, mesh)

    def chunk(rates, base, which, counts, rows: Rows, imitated: Imitated | None, state: State):
        base = cast(base)
        if imitated is not None:
            imitated = Imitated(cast(imitated.params), imitated.rows, imitated.mask)

        def step(state: State, now):
            rate, whole, *split = now

            def share(trained: PyTree, which, counts) -> Float[Array, ""]:
                params = cast(lora.attach(base, trained, scale) if tuning.rank else trained)
                seen = None
                if imitated is not None:
                    own = take(imitated.rows, which)
                    seen = Imitated(imitated.params, own, imitated.mask)
                part = sharding.rows(take(rows, which), mesh)
                return loss(params, computed, Part(part, counts, whole, seen, base))

            one = lambda *part: jax.value_and_grad(share)(state.params, *part)
            value, gradient = devices.sum_over_rows(parts.sum_over(one, split))
            state = ensemble.descend(state, gradient, optimizer, rate)
            return sharding.constrained(state, arch, mesh), value

        n_tokens = jnp.sum(jnp.where(counts, rows.length[which], 0), axis=1)
        n_devices = mesh.shape[devices.ROW]
        most = ROWS_ON_CPU, tuning.rows_at_once
        own = (parts.own_parts(x, n_devices, *most) for x in (which, counts))
        return jax.lax.scan(step, state, (rates, n_tokens, *own))

    def merged(base: PyTree, trained: PyTree) -> PyTree:
        return sharding.constrained(lora.merge(base, trained, scale), arch, mesh)

    # A CPU gains nothing from products of several members, and their layout costs it a fifth.
    one_by_one = jax.default_backend() == "cpu"
    over = partial(ensemble.over_members, mesh=mesh, one_by_one=one_by_one)
    return over(begin, n_shared=1), over(chunk, n_shared=2, donate=(6,)), over(merged, n_shared=1)


@lru_cache(maxsize=32)
def _orders(n_rows: int, batch: int, mesh) -> Callable:
    def one(epoch: Integer[Array, ""], key: Key[Array, ""]):
        return ensemble.epoch_rows(key, epoch, n_rows, n_rows, batch)

    return ensemble.over_members(one, mesh, 1)
