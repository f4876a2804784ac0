"""Activations of two models: how alike they are, what they say linearly, and their difference."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer


def cka(x: Float[Array, "N I"], y: Float[Array, "N J"]) -> Float[Array, ""]:
    """Linear centred kernel alignment of two models' activations on the same N inputs, 0 to 1.

    It does not change with a rotation, a common scale or a shift of either; 0 if one is constant.
    Source: Kornblith et al. 2019, arXiv 1905.00414.
    """
    x, y = (z - jnp.mean(z, axis=0, keepdims=True) for z in (x, y))
    # Products of features, or of inputs where these are fewer.
    if x.shape[0] < max(x.shape[1], y.shape[1]):
        k_x, k_y = x @ x.T, y @ y.T
        shared, own, other = jnp.sum(k_x * k_y), jnp.sum(k_x**2), jnp.sum(k_y**2)
    else:
        squares = lambda a, b: jnp.sum((a.T @ b) ** 2)
        shared, own, other = squares(x, y), squares(x, x), squares(y, y)
    return shared / jnp.maximum(jnp.sqrt(own) * jnp.sqrt(other), 1e-30)


def probe(
    x: Float[Array, "N D"],
    labels: Integer[Array, "N"],
    n_classes: int,
    held_out: Float[Array, "M D"],
    penalty: float = 1e-2,
) -> Float[Array, "M C"]:
    """Scores of a linear probe on held-out activations: ridge regression on labels, closed form.

    `penalty` is in units of the features' mean variance, so that their scale does not matter.
    """
    target = jax.nn.one_hot(labels, n_classes, dtype=x.dtype)
    shift, level = jnp.mean(x, axis=0), jnp.mean(target, axis=0)
    x, target = x - shift[None], target - level[None]
    gram = x.T @ x / len(x)
    ridge = jnp.maximum(penalty * jnp.trace(gram) / len(gram), 1e-12)
    weights = jnp.linalg.solve(gram + ridge * jnp.eye(len(gram)), x.T @ target / len(x))
    return (held_out - shift[None]) @ weights + level[None]


def probe_accuracy(
    x: Float[Array, "N D"],
    labels: Integer[Array, "N"],
    n_classes: int,
    held_out: Float[Array, "M D"],
    held_out_labels: Integer[Array, "M"],
) -> Float[Array, ""]:
    """The part of held-out inputs whose label a linear probe scores highest."""
    said = jnp.argmax(probe(x, labels, n_classes, held_out), axis=-1)
    return jnp.mean(1.0 * (said == held_out_labels))


def mean_difference(x: Float[Array, "N D"], base: Float[Array, "N D"]) -> Float[Array, "D"]:
    """The steering vector: what a model adds to its base's activations, mean over inputs.

    Source: Turner et al. 2023, arXiv 2308.10248, with means as in Rimsky et al. 2024
    (arXiv 2312.06681).
    """
    return jnp.mean(x - base, axis=0)
