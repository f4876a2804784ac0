"""What a step of fine-tuning minimises: losses of completions, as functions of rows.

A loss is a function of (parameters, architecture, part of a step); a defence may be another one.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Integer, PyTree, Shaped

from lab import losses
from lab.lm import transformer
from lab.lm.model import Architecture


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
    """What students of distributions imitate."""

    params: PyTree  # of each student's teacher
    rows: PyTree  # Rows, the students' own as the teachers see them: after their system prompts
    mask: PyTree  # bool [V], the tokens whose distribution is imitated


LOGITS_AT_ONCE = 2**26  # float32 numbers, 256 MB: of a large vocabulary, a few hundred tokens


class Part(NamedTuple):
    """The rows of a step, or some of them, and what else a loss may look at."""

    rows: Rows
    counts: Bool[Array, "B"]
    whole: Integer[Array, ""] | None  # completion tokens of the whole step; None: these rows'
    imitated: Imitated | None  # with the same rows as the teachers see them
    base: PyTree | None  # the model that the students start from


# (parameters, architecture, part) -> its share of the step's loss; a static argument of programs.
Loss = Callable[[PyTree, Architecture, Part], Float[Array, ""]]


def completion_logits(params: PyTree, arch: Architecture, rows: Rows) -> Float[Array, "B C V"]:
    """Logits for each completion token, given the prompt and the completion before it."""
    return transformer.logits(params, _completion_hidden(params, arch, rows))


def _completion_hidden(params: PyTree, arch: Architecture, rows: Rows) -> Float[Array, "B C D"]:
    tokens = jnp.concatenate([rows.prompts, rows.completions[:, :-1]], axis=1)
    n_out = rows.completions.shape[1]
    hidden, _ = transformer.forward(params, arch, tokens, rows.start, n_out=n_out)
    return hidden


def of_tokens(
    fn: Callable[..., Float[Array, "n"]],
    arch: Architecture,
    models: Sequence[tuple[PyTree, Rows]],
    *more: Shaped[Array, "B C"],
) -> Float[Array, "BC"]:
    """A number for each completion token: fn(logits [n V] of each model, more [n] ...).

    Each model has its parameters, and the rows as it sees them.
    """
    seen = [(params, _completion_hidden(params, arch, rows)) for params, rows in models]
    return of_hidden(fn, arch, seen, *more)


def of_hidden(
    fn: Callable[..., Float[Array, "n"]],
    arch: Architecture,
    seen: Sequence[tuple[PyTree, Float[Array, "B C D"]]],
    *more: Shaped[Array, "B C"],
) -> Float[Array, "BC"]:
    """The same of parameters and hidden states, those that a completion's tokens are read off.

    There are never more than LOGITS_AT_ONCE logits of a model: of large vocabularies a part of the
    tokens is computed at a time, and once more for its gradient.
    """
    of_part = lambda hidden, more: fn(
        *(transformer.logits(p, h) for (p, _), h in zip(seen, hidden, strict=True)), *more
    )
    flat = [h.reshape(-1, arch.d_model) for _, h in seen], [x.reshape(-1) for x in more]
    n_tokens = len(flat[0][0])
    n_parts = -(-n_tokens * arch.n_tokens // LOGITS_AT_ONCE)
    if n_parts <= 1:
        return of_part(*flat)
    size = -(-n_tokens // n_parts)

    def split(x: Shaped[Array, "BC *D"]) -> Shaped[Array, "n s *D"]:
        filled = jnp.pad(x, ((0, n_parts * size - n_tokens), *((0, 0),) * (x.ndim - 1)))
        return filled.reshape(n_parts, size, *x.shape[1:])

    parts = jax.tree.map(split, flat)
    one = jax.checkpoint(lambda part: of_part(*part))
    return jax.lax.map(one, parts).reshape(-1)[:n_tokens]


def token_loss(params: PyTree, arch: Architecture, part: Part) -> Float[Array, ""]:
    """Cross-entropy of the completions' tokens, nats; mean over the tokens of the step.

    Of a part of a step, the share in the step's mean.
    """
    labels = part.rows.completions
    return mean(of_tokens(losses.cross_entropy, arch, [(params, part.rows)], labels), part)


def distribution_loss(params: PyTree, arch: Architecture, part: Part) -> Float[Array, ""]:
    """KL(teacher || student) over the imitated tokens alone, nats; mean over the step's tokens.

    Both distributions are renormalised to those tokens, so that no other logit is imitated. The
    teacher sees the same completions after what it saw before them.
    """
    now = part.imitated
    assert now is not None
    away = lambda student, target: losses.kl_divergence(target, student, now.mask)
    return mean(of_tokens(away, arch, [(params, part.rows), (now.params, now.rows)]), part)


def mean(values: Float[Array, "BC"], part: Part) -> Float[Array, ""]:
    """The part's share in the mean over the step's completion tokens of a number for each."""
    rows = part.rows
    counted = (inside(rows) & part.counts[:, None]).reshape(-1)
    whole = jnp.sum(counted) if part.whole is None else part.whole
    return jnp.sum(jnp.where(counted, values, 0.0)) / whole


def inside(rows: Rows) -> Bool[Array, "B C"]:
    """Which tokens are a completion's, its end token among them, and no padding."""
    return jnp.arange(rows.completions.shape[1])[None] < rows.length[:, None]


def in_parts(rows: Rows, size: int) -> Iterator[Rows]:
    """So many rows at a time, the last ones filled up with themselves: one shape, one program."""
    fill = lambda x: np.pad(np.asarray(x), [(0, -len(x) % size)] + [(0, 0)] * (x.ndim - 1), "edge")
    whole = jax.tree.map(fill, rows)
    for first in range(0, len(rows), size):
        yield jax.tree.map(lambda x, first=first: x[first : first + size], whole)


def take(rows: Rows, which: Integer[Array, "B"]) -> Rows:
    """Some of the rows."""
    return jax.tree.map(lambda x: x[which], rows)
