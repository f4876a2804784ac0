"""Imitation losses of student logits z against teacher logits y, and their matrix M at y = z.

Symbols as in `theory.statement`. Every loss acts on the logits selected by `where`; J and H are
the first and second derivative of the logits along the teacher's direction.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from lab import losses


@runtime_checkable
class Imitation(Protocol):
    """What the theorem needs to know of an imitation loss; all results are per example."""

    def __call__(self, z: Float[Array, "B O"], y: Float[Array, "B O"]) -> Float[Array, "B"]:
        """L_S(z, y)."""
        ...

    def pull(self, z: Float[Array, "B O"], v: Float[Array, "B O"]) -> Float[Array, "B O"]:
        """M v."""
        ...

    def first_order(self, z: Float[Array, "B O"], J: Float[Array, "B O"]) -> Float[Array, "B"]:
        """J.M J, whose mean is A."""
        ...

    def second_order(
        self, z: Float[Array, "B O"], J: Float[Array, "B O"], H: Float[Array, "B O"]
    ) -> Float[Array, "B"]:
        """The term whose mean is B."""
        ...


@dataclass(frozen=True)
class SquaredError:
    """Sum over the selected logits of weights_i (z_i - y_i)^2; weights are not negative."""

    weights: Float[Array, "O"]
    where: Bool[Array, "O"]

    def __call__(self, z: Float[Array, "B O"], y: Float[Array, "B O"]) -> Float[Array, "B"]:
        """L_S(z, y)."""
        return self._sum((z - y) ** 2)

    def pull(self, z: Float[Array, "B O"], v: Float[Array, "B O"]) -> Float[Array, "B O"]:
        """M v, M = 2 diag(w)."""
        return 2 * jnp.where(self.where, self.weights, 0.0)[None] * v

    def first_order(self, z: Float[Array, "B O"], J: Float[Array, "B O"]) -> Float[Array, "B"]:
        """2 sum_i w_i J_i^2."""
        return 2 * self._sum(J**2)

    def second_order(
        self, z: Float[Array, "B O"], J: Float[Array, "B O"], H: Float[Array, "B O"]
    ) -> Float[Array, "B"]:
        """sum_i w_i J_i H_i."""
        return self._sum(J * H)

    def _sum(self, values: Float[Array, "B O"]) -> Float[Array, "B"]:
        return jnp.sum(jnp.where(self.where[None], self.weights[None] * values, 0.0), axis=-1)


@dataclass(frozen=True)
class CrossEntropy:
    """-sum_i p_i(y) log p_i(z), nats, with p the softmax over the selected logits."""

    where: Bool[Array, "O"]

    def __call__(self, z: Float[Array, "B O"], y: Float[Array, "B O"]) -> Float[Array, "B"]:
        """L_S(z, y)."""
        log_sum = jax.nn.logsumexp(self._selected(z), axis=-1)
        return log_sum - self._mean(y, z)[:, 0]

    def pull(self, z: Float[Array, "B O"], v: Float[Array, "B O"]) -> Float[Array, "B O"]:
        """M v, M = diag(p) - p p^T."""
        return self._softmax(z) * (v - self._mean(z, v))

    def first_order(self, z: Float[Array, "B O"], J: Float[Array, "B O"]) -> Float[Array, "B"]:
        """Variance of J under p."""
        return self._mean(z, (J - self._mean(z, J)) ** 2)[:, 0]

    def second_order(
        self, z: Float[Array, "B O"], J: Float[Array, "B O"], H: Float[Array, "B O"]
    ) -> Float[Array, "B"]:
        """Half the third central moment of J plus the covariance of J and H, under p."""
        deviation = J - self._mean(z, J)
        return self._mean(z, deviation**3 + deviation * H)[:, 0] / 2

    def _softmax(self, z: Float[Array, "B O"]) -> Float[Array, "B O"]:
        return jax.nn.softmax(self._selected(z), axis=-1)

    def _selected(self, z: Float[Array, "B O"]) -> Float[Array, "B O"]:
        return jnp.where(self.where[None], z, losses.MASKED)

    def _mean(self, z: Float[Array, "B O"], values: Float[Array, "B O"]) -> Float[Array, "B 1"]:
        return jnp.sum(self._softmax(z) * values, axis=-1, keepdims=True)


@dataclass(frozen=True)
class KLDivergence(CrossEntropy):
    """KL(p(y) || p(z)), nats: the lab's own loss, with the gradient and M of cross-entropy."""

    def __call__(self, z: Float[Array, "B O"], y: Float[Array, "B O"]) -> Float[Array, "B"]:
        """L_S(z, y)."""
        return losses.kl_divergence(y, z, self.where)
