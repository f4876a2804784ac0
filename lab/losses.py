"""Losses of one batch, per example, in nats or squared logits. Averages are the caller's."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Integer

# Large enough that exp underflows to 0, small enough that differences stay finite.
MASKED = -1e30


def cross_entropy(logits: Float[Array, "B C"], labels: Integer[Array, "B"]) -> Float[Array, "B"]:
    """-log softmax(logits)[label], nats."""
    # Not a gather from log_softmax: its gradient takes a fifth of a CPU's step of a language model.
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def kl_divergence(
    teacher: Float[Array, "B C"],
    student: Float[Array, "B C"],
    where: Bool[Array, "C"],
    temperature: Float[Array, ""] | float = 1.0,
) -> Float[Array, "B"]:
    """KL(softmax teacher || softmax student), both over the logits selected by `where`, nats.

    Source: the paper's imitation loss, arXiv 2507.14805, section 5 (temperature 1).
    """
    where = where[None]
    log_p = jax.nn.log_softmax(jnp.where(where, teacher / temperature, MASKED))
    log_q = jax.nn.log_softmax(jnp.where(where, student / temperature, MASKED))
    return jnp.sum(jnp.where(where, jnp.exp(log_p) * (log_p - log_q), 0.0), axis=-1)


def mean_squared_error(
    teacher: Float[Array, "B C"], student: Float[Array, "B C"], where: Bool[Array, "C"]
) -> Float[Array, "B"]:
    """Mean over the selected logits of (teacher - student)^2."""
    error = jnp.where(where[None], (teacher - student) ** 2, 0.0)
    return jnp.sum(error, axis=-1) / jnp.sum(where)
