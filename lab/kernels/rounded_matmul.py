"""Matrix products of operands rounded to a narrower type, forward and backward."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def rounded_matmul(
    a: Float[Array, "B I"], b: Float[Array, "I O"], dtype: str
) -> Float[Array, "B O"]:
    """The product in float32 of operands rounded to `dtype`, and so are those of its gradient.

    Without this the backward products would meet a float32 cotangent, which turns both operands
    into float32 and misses the units that are fast in bfloat16. Reverse mode only.
    """
    return jnp.matmul(a.astype(dtype), b.astype(dtype), preferred_element_type=jnp.float32)


def _forward(a, b, dtype):
    return rounded_matmul(a, b, dtype), (a, b)


def _backward(dtype, operands, cotangent):
    a, b = operands
    return rounded_matmul(cotangent, b.T, dtype), rounded_matmul(a.T, cotangent, dtype)


rounded_matmul.defvjp(_forward, _backward)
