"""The loss between two models, and distances in units of what they change in the predictions."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree


def segment(
    value: Callable[[PyTree], Float[Array, ""]], one: PyTree, other: PyTree, n: int = 11
) -> Float[Array, "n"]:
    """A loss, or an error, at n evenly spaced points from one tree to another, ends included."""

    def at(part: Float[Array, ""]) -> Float[Array, ""]:
        return value(jax.tree.map(lambda x, y: (1 - part) * x + part * y, one, other))

    return jax.lax.map(at, jnp.linspace(0.0, 1.0, n))


def barrier(values: Float[Array, "n"]) -> Float[Array, ""]:
    """The largest excess over the chord of a segment's ends, between them.

    At most 0 for a convex loss; 0 or less says that the two are linearly connected.
    Source: Frankle et al. 2020 (arXiv 1912.05671); the chord as in Entezari et al. 2022
    (arXiv 2110.06296).
    """
    part = jnp.linspace(0.0, 1.0, len(values))
    chord = (1 - part) * values[0] + part * values[-1]
    return jnp.max((values - chord)[1:-1])


def diagonal_fisher(
    logits: Callable[[PyTree, PyTree], Float[Array, "*S C"]],
    params: PyTree,
    inputs: PyTree,
    key: Key[Array, ""],
) -> PyTree:
    """Diagonal of the Fisher information, nats: mean over inputs of squared scores.

    `logits` is of one input, `inputs` have a leading axis of them. A label is drawn at each place
    from the model's own prediction, not taken from data: that would be the empirical Fisher.
    """
    n = jax.tree.leaves(inputs)[0].shape[0]

    def squared(total: PyTree, now) -> tuple[PyTree, None]:
        x, key = now

        def log_p(theta: PyTree) -> Float[Array, ""]:
            z = logits(theta, x)
            drawn = jax.random.categorical(key, jax.lax.stop_gradient(z))
            said = jnp.take_along_axis(jax.nn.log_softmax(z), drawn[..., None], axis=-1)
            return jnp.sum(said)

        return jax.tree.map(lambda t, g: t + g**2 / n, total, jax.grad(log_p)(params)), None

    zeros = jax.tree.map(jnp.zeros_like, params)
    return jax.lax.scan(squared, zeros, (inputs, jax.random.split(key, n)))[0]


def fisher_norm(fisher: PyTree, of: PyTree) -> Float[Array, ""]:
    """Length of a displacement under a diagonal Fisher: half its square is a KL to second order."""
    parts = jax.tree.map(lambda f, d: jnp.sum(f * d**2), fisher, of)
    return jnp.sqrt(jnp.sum(jnp.stack(jax.tree.leaves(parts))))
