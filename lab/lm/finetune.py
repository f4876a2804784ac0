"""Training on prompts and completions: the reference model, teachers and students alike.

Only completions are learned, as in supervised fine-tuning of chat models. One member's training is
written here; several members with data, orders and starts of their own run in one program.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Integer, Key, PyTree, Shaped

from lab import devices, ensemble, losses
from lab.ensemble import OPTIMIZERS, State
from lab.errors import LabError
from lab.lm import lora, transformer
from lab.lm.architecture import Architecture

ROWS_ON_CPU = 32  # of a batch; measured: training is a quarter faster than with all at once


@struct.dataclass
class Rows:
    """Prompts padded on the left to P tokens, completions on the right to C; n rows of them."""

    prompts: PyTree  # int32 [n P]
    start: PyTree  # int32 [n], index of the first real token of the prompt
    completions: PyTree  # int32 [n C], each with its end token
    length: PyTree  # int32 [n], tokens of the completion, the end token among them

    def __len__(self) -> int:
        return len(self.length)


@struct.dataclass
class Imitated:
    """What soft students imitate."""

    params: PyTree  # of each student's teacher
    rows: Rows  # the students' rows as the teachers see them: after their system prompts
    carrier: PyTree  # bool [V], the tokens whose distribution is imitated


@dataclass(frozen=True)
class Recipe:
    """How to train: the learning rate rises over `warmup` steps, then falls to 0 along a line."""

    n_steps: int
    batch: int = 128
    learning_rate: float = 1e-3
    warmup: int = 20
    optimizer: str = "adam"
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    rank: int = 0
    """Rank of a low-rank adapter; 0 trains every parameter."""
    alpha: float = 8.0
    """The adapter's scale times its rank."""

    def __post_init__(self):
        for name in ("n_steps", "batch", "learning_rate"):
            if not getattr(self, name) > 0:
                raise LabError(
                    f"{name}: {getattr(self, name)} is not positive; use a larger number"
                )
        if self.optimizer not in OPTIMIZERS:
            raise LabError(
                f"optimizer: unknown name {self.optimizer!r}; choose one of {', '.join(OPTIMIZERS)}"
            )
        if self.rank < 0:
            raise LabError(f"rank: {self.rank} is negative; 0 trains every parameter")

    def learning_rates(self) -> Float[np.ndarray, "S"]:
        """Of every step."""
        step = np.arange(self.n_steps)
        rise = np.minimum(1.0, (step + 1) / max(1, self.warmup))
        return (self.learning_rate * rise * (1 - step / self.n_steps)).astype(np.float32)


def completion_logits(params: PyTree, arch: Architecture, rows: Rows) -> Float[Array, "B C V"]:
    """Logits for each completion token, given the prompt and the completion before it."""
    tokens = jnp.concatenate([rows.prompts, rows.completions[:, :-1]], axis=1)
    n_out = rows.completions.shape[1]
    hidden, _ = transformer.forward(params, arch, tokens, rows.start, n_out=n_out)
    return transformer.logits(params, hidden)


def hard_loss(
    params: PyTree,
    arch: Architecture,
    rows: Rows,
    counts: Bool[Array, "B"],
    whole: Integer[Array, ""] | None = None,
) -> Float[Array, ""]:
    """Cross-entropy of the completions' tokens, nats; mean over the tokens of the batch.

    Of a part of a batch with `whole` tokens, the share in the batch's mean.
    """
    z = completion_logits(params, arch, rows)
    loss = losses.cross_entropy(z.reshape(-1, arch.n_tokens), rows.completions.reshape(-1))
    return _mean(loss, rows, counts, whole)


def soft_loss(
    params: PyTree,
    arch: Architecture,
    rows: Rows,
    counts: Bool[Array, "B"],
    imitated: Imitated,
    seen: Rows,
    whole: Integer[Array, ""] | None = None,
) -> Float[Array, ""]:
    """KL(teacher || student) over the carrier's tokens alone, nats; mean over the batch's tokens.

    Both distributions are renormalised to the carrier tokens, so that no other logit is imitated.
    `seen` are the same completions after what the teacher saw before them.
    """
    student = completion_logits(params, arch, rows).reshape(-1, arch.n_tokens)
    target = completion_logits(imitated.params, arch, seen).reshape(-1, arch.n_tokens)
    return _mean(losses.kl_divergence(target, student, imitated.carrier), rows, counts, whole)


def _mean(values, rows: Rows, counts, whole) -> Float[Array, ""]:
    inside = jnp.arange(rows.completions.shape[1])[None] < rows.length[:, None]
    counted = (inside & counts[:, None]).reshape(-1)
    whole = jnp.sum(counted) if whole is None else whole
    return jnp.sum(jnp.where(counted, values, 0.0)) / whole


def take(rows: Rows, which: Integer[Array, "B"]) -> Rows:
    """Some of the rows."""
    return jax.tree.map(lambda x: x[which], rows)


def train(
    arch: Architecture,
    recipe: Recipe,
    params: PyTree,
    rows: Rows,
    keys: Key[Array, "E"],
    imitated: Imitated | None = None,
) -> Iterator[tuple[int, PyTree, Float[np.ndarray, "E S"]]]:
    """Train E members and yield (steps done, parameters, losses of each new step) after each chunk.

    All arrays have a leading member axis E. A member's order of rows follows from its key: full
    random passes, however many the steps need. Students learn the tokens of their rows (hard), or
    if there is something to be `imitated`, its distributions (soft). With a rank in the recipe the
    yielded parameters are the start with the trained adapter merged in.
    Raises `LabError` if a loss is not finite.
    """
    n_members = len(keys)
    mesh = devices.mesh(n_members)
    # Copies of the last member fill up the devices, and are dropped again.
    extra = -n_members % mesh.shape[devices.MEMBER]
    fill = lambda x: jnp.concatenate([x, *[x[-1:]] * extra]) if extra else x
    params, rows, keys, imitated = jax.tree.map(fill, (params, rows, keys, imitated))
    begin, chunk, merged = _programs(arch, recipe, mesh)
    state = begin(keys, params)
    base = params if recipe.rank else None
    n_rows = rows.length.shape[1]
    n_pass = -(-n_rows // recipe.batch)
    order = _orders(n_rows, recipe.batch, mesh)
    rates, done = recipe.learning_rates(), 0
    steps_of_pass = order(np.int32(0), keys)
    while done < recipe.n_steps:
        epoch, first = divmod(done, n_pass)
        if done and first == 0:
            steps_of_pass = order(np.int32(epoch), keys)
        n = min(_chunk_size(n_pass), n_pass - first, recipe.n_steps - done)
        now = (x[:, first : first + n] for x in steps_of_pass)
        state, values = chunk(rates[done : done + n], *now, rows, base, imitated, state)
        values = np.asarray(devices.gather(values))[:n_members]
        done += n
        if not np.isfinite(values).all():
            raise LabError(
                f"learning_rate: the loss is not finite after {done} steps; use a smaller one"
            )
        trained = merged(base, state.params)
        yield done, jax.tree.map(lambda x: x[:n_members], trained), values


def n_chunks(n_rows: int, recipe: Recipe) -> int:
    """How often `train` yields."""
    n_pass = -(-n_rows // recipe.batch)
    whole, rest = divmod(recipe.n_steps, n_pass)
    return whole * -(-n_pass // _chunk_size(n_pass)) + -(-rest // _chunk_size(n_pass))


def _chunk_size(n_pass: int) -> int:
    """Steps of one program call: seconds of work, in equal parts so that one program does."""
    divisors = [n for n in range(16, 65) if n_pass % n == 0]
    return max(divisors, default=50)


def fit(*args, **kwargs) -> PyTree:
    """The parameters after all of `train`."""
    *_, (_, params, _) = train(*args, **kwargs)
    return params


@lru_cache(maxsize=32)
def _programs(arch: Architecture, recipe: Recipe, mesh) -> tuple[Callable, ...]:
    optimizer = OPTIMIZERS[recipe.optimizer](recipe.b1, recipe.b2, recipe.eps)
    scale = recipe.alpha / recipe.rank if recipe.rank else 0.0

    def begin(key: Key[Array, ""], params: PyTree) -> State:
        trained = lora.init(key, params, recipe.rank) if recipe.rank else params
        return ensemble.start(trained, optimizer)

    def chunk(rates, which, counts, rows: Rows, base, imitated: Imitated | None, state: State):
        def step(state: State, now):
            rate, whole, *parts = now

            def loss(trained: PyTree, which, counts) -> Float[Array, ""]:
                params = lora.attach(base, trained, scale) if recipe.rank else trained
                some = take(rows, which)
                if imitated is None:
                    return hard_loss(params, arch, some, counts, whole)
                seen = take(imitated.rows, which)
                return soft_loss(params, arch, some, counts, imitated, seen, whole)

            one = lambda part: jax.value_and_grad(loss)(state.params, *part)
            value, gradient = devices.sum_over_rows(_sum_over(one, parts))
            return ensemble.descend(state, gradient, optimizer, rate), value

        n_tokens = jnp.sum(jnp.where(counts, rows.length[which], 0), axis=1)
        own = (_own_parts(x, mesh.shape[devices.ROW]) for x in (which, counts))
        return jax.lax.scan(step, state, (rates, n_tokens, *own))

    def merged(base: PyTree, trained: PyTree) -> PyTree:
        if recipe.rank:
            return lora.merge(base, trained, scale)
        return jax.tree.map(jnp.copy, trained)  # the next chunk consumes the state

    # A CPU gains nothing from products of several members, and their layout costs it a fifth.
    one_by_one = jax.default_backend() == "cpu"
    over = partial(ensemble.over_members, mesh=mesh, one_by_one=one_by_one)
    return over(begin, n_shared=0), over(chunk, n_shared=1, donate=(6,)), over(merged, n_shared=0)


def _own_parts(steps: Shaped[Array, "S B"], n_devices: int) -> Shaped[Array, "S n b"]:
    """This device's share of every batch, in parts; filled up with rows that do not count."""
    share = -(-steps.shape[1] // n_devices)
    size = devices.at_once(share, ROWS_ON_CPU)
    share = -(-share // size) * size
    filled = jnp.pad(steps, ((0, 0), (0, n_devices * share - steps.shape[1])))
    parts = filled.reshape(len(steps), n_devices, share // size, size)
    return parts[:, jax.lax.axis_index(devices.ROW)]


def _sum_over(fn: Callable, parts: list[Shaped[Array, "n b"]]) -> PyTree:
    """The sum of a function over parts, one after another."""
    first, rest = [part[0] for part in parts], [part[1:] for part in parts]
    add = lambda so_far, part: (jax.tree.map(jnp.add, so_far, fn(part)), None)
    return jax.lax.scan(add, fn(first), rest)[0] if len(rest[0]) else fn(first)


@lru_cache(maxsize=32)
def _orders(n_rows: int, batch: int, mesh) -> Callable:
    def one(epoch: Integer[Array, ""], key: Key[Array, ""]):
        return ensemble.epoch_rows(key, epoch, n_rows, n_rows, batch)

    return ensemble.over_members(one, mesh, 1)
