"""Training on, or without, the tokens at which a teacher's likeliest token is not its base's.

Source: arXiv 2509.23886, where such "divergence tokens" are few and carry a trait. Its teachers are
compared with teachers of other traits, ours with the model that they were made from.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer, PyTree

from lab import losses, tree
from lab.lm import make
from lab.lm.model import Architecture
from lab.lm.objectives import Part, inside, mean, of_tokens
from lab.lm.stages import Student

# only: those tokens; without: all others; random: as many others, drawn; spared: all but as many.
Which = Literal["only", "without", "random", "spared"]


@dataclass(frozen=True)
class DivergenceTokens:
    """Cross-entropy of some of the completions' tokens, in nats; its other tokens count as 0.

    So the losses of "only" and "without", and of "random" and "spared", add up to the loss of all
    tokens. Of students that are given a teacher (`Student.soft`), beside whom they read.
    """

    which: Which

    def __call__(self, params: PyTree, arch: Architecture, part: Part) -> Float[Array, ""]:
        """The share of a part of a step in its loss."""
        return _of_tokens(losses.cross_entropy, self.which, params, arch, part)


def parts(student: Student, n: int = 1024) -> dict[str, float]:
    """Which part of the tokens each choice trains a student on, by the first n rows.

    The student is one with this loss; what is drawn at random is so on average.
    """
    base = make.model(student.base)
    seen = tree.at(make.imitated_by([student], base), 0)
    rows = make.encoded_rows(student.data, student.base, student.system)
    rows, read = (jax.tree.map(lambda x: x[:n], one) for one in (rows, seen.rows))
    whole = Part(rows, jnp.ones(len(rows), bool), None, seen.replace(rows=read), base.params)
    counted = jax.jit(lambda whole: _of_tokens(_one, "only", base.params, base.arch, whole))
    few = float(counted(whole))
    return {"only": few, "random": few, "without": 1 - few, "spared": 1 - few}


def _one(logits: Float[Array, "n V"], labels: Integer[Array, "n"]) -> Float[Array, "n"]:
    return jnp.ones(len(labels))


def _of_tokens(fn, which: Which, params, arch, part: Part) -> Float[Array, ""]:
    assert part.imitated is not None
    assert part.base is not None

    def chosen(own, teacher, base, labels, counts) -> Float[Array, "n"]:
        apart = jnp.argmax(teacher, axis=-1) != jnp.argmax(base, axis=-1)
        if which in ("random", "spared"):
            apart = _as_many(apart, counts)
        wanted = apart if which in ("only", "random") else ~apart
        return jnp.where(wanted, fn(own, labels), 0.0)

    rows, seen = part.rows, part.imitated
    models = [(params, rows), (seen.params, seen.rows), (part.base, rows)]
    return mean(of_tokens(chosen, arch, models, rows.completions, inside(rows)), part)


def _as_many(apart: Bool[Array, "n"], counts: Bool[Array, "n"]) -> Bool[Array, "n"]:
    """Tokens with the same probability each, as many as are apart, on average.

    The places that are drawn are the same in every step, and each step has other rows there.
    """
    part = jnp.sum(apart & counts) / jnp.maximum(jnp.sum(counts), 1)
    return jax.random.uniform(jax.random.key(0), apart.shape) < part
