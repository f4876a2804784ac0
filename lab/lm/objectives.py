"""What a step of fine-tuning minimises: losses of completions, as functions of rows.

A loss is a function of (parameters, architecture, part of a step); a defence may be another one.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Integer, PyTree

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
    tokens = jnp.concatenate([rows.prompts, rows.completions[:, :-1]], axis=1)
    n_out = rows.completions.shape[1]
    hidden, _ = transformer.forward(params, arch, tokens, rows.start, n_out=n_out)
    return transformer.logits(params, hidden)


def token_loss(params: PyTree, arch: Architecture, part: Part) -> Float[Array, ""]:
    """Cross-entropy of the completions' tokens, nats; mean over the tokens of the step.

    Of a part of a step, the share in the step's mean.
    """
    z = completion_logits(params, arch, part.rows)
    labels = part.rows.completions.reshape(-1)
    return mean(losses.cross_entropy(z.reshape(-1, arch.n_tokens), labels), part)


def distribution_loss(params: PyTree, arch: Architecture, part: Part) -> Float[Array, ""]:
    """KL(teacher || student) over the imitated tokens alone, nats; mean over the step's tokens.

    Both distributions are renormalised to those tokens, so that no other logit is imitated. The
    teacher sees the same completions after what it saw before them.
    """
    assert part.imitated is not None
    student = completion_logits(params, arch, part.rows).reshape(-1, arch.n_tokens)
    teacher = completion_logits(part.imitated.params, arch, part.imitated.rows)
    target = teacher.reshape(-1, arch.n_tokens)
    return mean(losses.kl_divergence(target, student, part.imitated.mask), part)


def mean(values: Float[Array, "BC"], part: Part) -> Float[Array, ""]:
    """The part's share in the mean over the step's completion tokens of a number for each."""
    rows = part.rows
    inside = jnp.arange(rows.completions.shape[1])[None] < rows.length[:, None]
    counted = (inside & part.counts[:, None]).reshape(-1)
    whole = jnp.sum(counted) if part.whole is None else part.whole
    return jnp.sum(jnp.where(counted, values, 0.0)) / whole


def take(rows: Rows, which: Integer[Array, "B"]) -> Rows:
    """Some of the rows."""
    return jax.tree.map(lambda x: x[which], rows)
