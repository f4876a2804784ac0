"""The spectrum of a matrix's update: how many directions it has, and whether two share them."""

import jax.numpy as jnp
from jaxtyping import Array, Float

_TINY = 1e-30


def singular_values(matrix: Float[Array, "I O"]) -> Float[Array, "K"]:
    """K = min(I, O) of them, the largest first."""
    return jnp.linalg.svd(matrix, compute_uv=False)


def stable_rank(values: Float[Array, "K"]) -> Float[Array, ""]:
    """Sum of squares over the largest square, 1 to K: how far one direction is from all; 0 of 0."""
    return jnp.sum(values**2) / jnp.maximum(jnp.max(values) ** 2, _TINY)


def effective_rank(values: Float[Array, "K"]) -> Float[Array, ""]:
    """exp of the entropy of singular values over their sum, 1 to K; 0 of 0.

    Source: Roy and Vetterli 2007, "The effective rank: a measure of effective dimensionality".
    """
    total = jnp.sum(values)
    p = values / jnp.maximum(total, _TINY)
    entropy = -jnp.sum(jnp.where(p > 0, p * jnp.log(jnp.maximum(p, _TINY)), 0.0))
    return jnp.where(total > 0, jnp.exp(entropy), 0.0)


def leading(
    matrix: Float[Array, "I O"], k: int
) -> tuple[Float[Array, "K"], Float[Array, "I k"], Float[Array, "O k"]]:
    """All singular values, and the k leading left and right singular vectors, as columns.

    k is lowered to min(I, O).
    """
    left, values, right = jnp.linalg.svd(matrix, full_matrices=False)
    return values, left[:, :k], right[:k].T


def principal_cosines(a: Float[Array, "D k"], b: Float[Array, "D j"]) -> Float[Array, "i"]:
    """Cosines of the principal angles between the spans of orthonormal columns, largest first."""
    return jnp.clip(jnp.linalg.svd(a.T @ b, compute_uv=False), 0.0, 1.0)


def overlap(a: Float[Array, "D k"], b: Float[Array, "D k"]) -> Float[Array, ""]:
    """Mean squared cosine of the principal angles: 1 for one span, k / D for random ones."""
    return jnp.sum((a.T @ b) ** 2) / a.shape[1]
