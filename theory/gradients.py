"""One gradient step of a teacher, one imitation step of a student, and A, which links them.

Symbols as in `theory.statement`. For any model, trait loss and inputs; the cost is that of a few
gradients, since derivatives along a direction are taken forward and no Jacobian is formed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from lab.drift.displacement import cosine as cosine
from lab.drift.displacement import dot as dot
from lab.drift.displacement import norm as norm
from theory.imitation import Imitation


@dataclass(frozen=True)
class Setting:
    """What the teacher learns and what the student imitates."""

    apply: Callable[[PyTree, PyTree], Float[Array, "B O"]]
    """Logits of (parameters, inputs); a sequence model lays its tokens out along B."""
    inputs: PyTree
    """The batch whose mean is E_x."""
    imitation: Imitation
    """L_S."""
    trait: Callable[[PyTree], Float[Array, ""]]
    """L_T."""

    def logits(self, theta: PyTree) -> Float[Array, "B O"]:
        """f(theta) on the inputs."""
        return self.apply(theta, self.inputs)


class Step(NamedTuple):
    """What one imitation step did."""

    product: Float[Array, ""]
    """D_S(eps).D_T; A eps to first order."""
    slope: Float[Array, ""]
    """Derivative of L_T(theta_S) in alpha, at alpha = 0; from a shared start minus `product`."""
    change: Float[Array, ""]
    """L_T(theta_S) minus L_T before the student's step; -alpha A eps to first order."""


def teacher_direction(setting: Setting, theta: PyTree) -> PyTree:
    """D_T, the negative gradient of the trait loss."""
    return _negative(jax.grad(setting.trait)(theta))


def student_direction(setting: Setting, student: PyTree, teacher: PyTree) -> PyTree:
    """D_S, the negative gradient of the mean imitation loss of `student` against `teacher`."""
    labels = setting.logits(teacher)

    def loss(theta: PyTree) -> Float[Array, ""]:
        return jnp.mean(setting.imitation(setting.logits(theta), labels))

    return _negative(jax.grad(loss)(student))


def directions(
    setting: Setting, student: PyTree, start: PyTree, eps: Float[Array, ""] | float
) -> tuple[PyTree, PyTree]:
    """(D_T, D_S(eps)) of a teacher that starts at `start` and a student that starts at `student`.

    The theorem is about `student` = `start`; two initialisations show what it rests on.
    """
    D_T = teacher_direction(setting, start)
    return D_T, student_direction(setting, student, optax.tree.add_scale(start, eps, D_T))


def step(
    setting: Setting,
    student: PyTree,
    start: PyTree,
    eps: Float[Array, ""] | float,
    alpha: Float[Array, ""] | float,
) -> Step:
    """What a student's step of size alpha did, after a teacher's step of size eps."""
    D_T, D_S = directions(setting, student, start, eps)
    before, slope = jax.jvp(setting.trait, (student,), (D_S,))
    after = setting.trait(optax.tree.add_scale(student, alpha, D_S))
    return Step(product=dot(D_S, D_T), slope=slope, change=after - before)


def leading_coefficient(setting: Setting, theta: PyTree) -> Float[Array, ""]:
    """A, from one derivative of the logits along D_T."""
    D_T = teacher_direction(setting, theta)
    z, J = jax.jvp(setting.logits, (theta,), (D_T,))
    return jnp.mean(setting.imitation.first_order(z, J))


def _negative(tree: PyTree) -> PyTree:
    return jax.tree.map(jnp.negative, tree)
