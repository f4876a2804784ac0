"""Products of few rows with a large kernel in bfloat16, on a CPU."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer


def thin_matmul(x: Float[Array, "M I"], kernel: Float[Array, "O I"]) -> Float[Array, "M O"]:
    """`x @ kernel.T`, its sums in float32; the kernel is read as it lies, output by output.

    A CPU has no products of bfloat16. Of `x @ kernel` in a loop XLA makes a float32 copy of the
    kernel ahead of it, and reads twice the bytes in every pass: the barrier ties the kernel to the
    pass. Kernels that lie by output have products that convert while they read; of a single row a
    sum does so faster.
    """
    x, kernel = jax.lax.optimization_barrier((x, kernel))
    exact = jnp.float32
    if len(x) == 1:
        return jnp.sum(kernel.astype(exact) * x.astype(exact), axis=1)[None]
    by_input = (((1,), (1,)), ((), ()))
    return jax.lax.dot_general(x, kernel, by_input, preferred_element_type=exact)


def looked_up(kernel: Float[Array, "V D"], which: Integer[Array, "*B"]) -> Float[Array, "*B D"]:
    """`kernel[which]` in bfloat16, moved as bits: else XLA copies the kernel to float32 as well."""
    bits = jax.lax.bitcast_convert_type(kernel, jnp.uint16)[which]
    return jax.lax.bitcast_convert_type(bits, kernel.dtype)
