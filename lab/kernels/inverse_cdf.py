"""Drawing from many columns of weights at once."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def inverse_cdf(weights: Float[Array, "V B"], uniform: Float[Array, "B"]) -> Int[Array, "B"]:
    """The index at which the running sum of a column's weights passes `uniform` times their sum.

    One random number a column instead of one a logit, and no running sum over the vocabulary: first
    the block is found, then the place in it. Rarer than 2^-24 is never drawn: float32's uniform has
    no finer steps. An index of weight 0 is never drawn.
    """
    n_tokens, n_rows = weights.shape
    width = math.isqrt(n_tokens - 1) + 1
    n_blocks = -(-n_tokens // width)
    padded = jnp.pad(weights, ((0, n_blocks * width - n_tokens), (0, 0)))
    blocks = padded.reshape(n_blocks, width, n_rows)
    block, rest = _passing(jnp.sum(blocks, axis=1), uniform)
    inside = jnp.take_along_axis(blocks, block[None, None], axis=0)[0]
    place, _ = _passing(inside, rest)
    return (block * width + place).astype(jnp.int32)


def _passing(
    weights: Float[Array, "W B"], uniform: Float[Array, "B"]
) -> tuple[Int[Array, "B"], Float[Array, "B"]]:
    """Where the running sum passes `uniform` of the whole, and the part of that weight used."""
    running = jnp.cumsum(weights, axis=0)
    target = uniform * running[-1]
    at = jnp.sum(running <= target[None], axis=0)
    # Rounding may take the target to the very end, where there may be only zeros.
    last = weights.shape[0] - 1 - jnp.argmax(weights[::-1] > 0, axis=0)
    at = jnp.minimum(at, last)
    weight = jnp.take_along_axis(weights, at[None], axis=0)[0]
    before = jnp.take_along_axis(running, at[None], axis=0)[0] - weight
    return at, jnp.clip((target - before) / weight, 0.0, 1.0 - 2**-24)
