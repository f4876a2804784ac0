"""Rows that are drawn in slots: when some have ended, the next ones take theirs.

Nobody waits for the longest row of a batch, which a large model would be read for again and again.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Integer, PyTree

from lab.lm import costs, transformer
from lab.lm.model import Architecture

# (hidden states, row and step of each) -> tokens
Draw = Callable[[Float[Array, "B D"], Int[Array, "B"], Int[Array, "B"]], Int[Array, "B"]]
# On an accelerator there are as many slots as keep it busy for a step, by arithmetic: with fewer it
# reads parameters, or starts programs, for too few rows; with more a step only takes longer. Never
# more than have room in so many bytes.
STEP_FLOPS, FEWEST, MOST_BYTES = 4e12, 256, 2**34


class Slots(NamedTuple):
    """How many rows are drawn at once, and how many of these end before new ones are begun."""

    n: int
    freed: int


class _Slots(NamedTuple):
    row: Int[Array, "B"]  # that is drawn there
    step: Int[Array, "B"]  # tokens of it so far
    last: Int[Array, "B"]  # of these
    ended: Bool[Array, "B"]
    cache: tuple[transformer.Cache, ...] | None


class _Progress(NamedTuple):
    begun: Int[Array, ""]  # rows that have had a slot
    slots: _Slots
    tokens: Int[Array, "N C"]  # of all rows


def quarterly(n: int) -> Slots:
    """So many slots, of which a quarter is freed at a time; measured: no other part is faster."""
    return Slots(n, max(1, n // 4))


def on_accelerator(
    arch: Architecture, n_prompt: int, n_new: int, precision: str = "float32"
) -> Slots:
    """Slots that suit a model, and rows of so many tokens at most."""
    busy = max(FEWEST, int(STEP_FLOPS / (2 * costs.n_parameters(arch))))
    room = MOST_BYTES // costs.writing_bytes(arch, n_prompt, n_new, precision)
    return quarterly(max(1, min(busy, room)))


def in_slots(
    params: PyTree,
    arch: Architecture,
    n_new: int,
    end: int,
    draw: Draw,
    slots: Slots,
    prompts: Integer[Array, "N P"],
    start: Integer[Array, "N"],
) -> Int[Array, "N C"]:
    """At most `n_new` tokens of every row, in `slots`; after its `end` only more of it."""
    n_rows, n_prompt = prompts.shape
    n_slots, n_freed = (min(n, n_rows) for n in slots)
    room = lambda n: transformer.empty_cache(arch, n, n_prompt + n_new, params["embed"].dtype)

    def begin(p: _Progress, n: int) -> _Progress:
        """The next n rows in slots that are free; where there are no more, copies of the last."""
        free = jnp.argsort(~p.slots.ended)[:n]
        which = p.begun + jnp.arange(n)
        row, step = jnp.minimum(which, n_rows - 1), jnp.zeros(n, jnp.int32)
        hidden, cache = transformer.forward(
            params, arch, prompts[row], start[row], room(n), n_out=1
        )
        token = draw(hidden[:, -1], row, step)
        ended = (token == end) | (which >= n_rows) | (n_new == 1)
        new = _Slots(row, step + 1, token, ended, cache)
        slots = jax.tree.map(lambda old, new: old.at[free].set(new), p.slots, new)
        tokens = p.tokens.at[which, 0].set(token, mode="drop")
        return _Progress(p.begun + n, slots, tokens)

    def advance(p: _Progress) -> _Progress:
        """A token more in every slot that has not ended."""
        row, step, last, ended, cache = p.slots
        hidden, cache = transformer.forward(
            params, arch, last[:, None], start[row], cache, n_prompt + step - 1
        )
        token = draw(hidden[:, 0], row, step)
        tokens = p.tokens.at[jnp.where(ended, n_rows, row), step].set(token, mode="drop")
        after = jnp.where(ended, step, step + 1)
        ended |= (token == end) | (after == n_new)
        return p._replace(slots=_Slots(row, after, token, ended, cache), tokens=tokens)

    busy = lambda p: jnp.sum(p.slots.ended) < n_freed
    none = jnp.zeros(n_slots, jnp.int32)
    empty = _Slots(none, none, none, none == 0, room(n_slots))
    tokens = jnp.full((n_rows, n_new), end, jnp.int32)
    p = begin(_Progress(jnp.int32(0), empty, tokens), n_slots)
    if n_rows > n_slots:
        p = jax.lax.while_loop(
            lambda p: p.begun < n_rows,
            lambda p: begin(jax.lax.while_loop(busy, advance, p), n_freed),
            p,
        )
    return jax.lax.while_loop(lambda p: ~jnp.all(p.slots.ended), advance, p).tokens
