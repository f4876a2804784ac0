"""Attention as one kernel, which never writes scores to memory: cuDNN's, on an NVIDIA GPU."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

MOST_HEAD = 128  # numbers of a head; larger ones need a newer GPU than all that cuDNN serves


def has_kernel(query: Float[Array, "B T N H"]) -> bool:
    """Whether this backend has the kernel, for numbers of this type and heads of this size."""
    n = query.shape[-1]
    suits = query.dtype in (jnp.bfloat16, jnp.float16) and n % 8 == 0 and n <= MOST_HEAD
    return suits and jax.default_backend() == "gpu"


def fused_attention(
    query: Float[Array, "B T N H"],
    key: Float[Array, "B S K H"],
    value: Float[Array, "B S K H"],
    mask: Bool[Array, "B T S"],
    scale: float,
) -> Float[Array, "B T N H"]:
    """Means of values, weighted by the softmax of `scale` times the products of query and key.

    N query heads share K of key and value, in order. What a query that sees nobody (`mask`) has is
    finite, and of no use. Where there is no kernel (`has_kernel`) scores are written, and the sum
    is the same.
    """
    n_queries = query.shape[1]
    # The kernel's gradient wants even numbers of tokens: one that nobody sees fills them up.
    query, key, value = (_even(x, 1) for x in (query, key, value))
    mask = _even(_even(mask, 1), 2)
    implementation = "cudnn" if has_kernel(query) else "xla"
    mixed = jax.nn.dot_product_attention(
        query, key, value, mask=mask[:, None], scale=scale, implementation=implementation
    )
    return mixed[:, :n_queries]


def _even(x: Array, axis: int) -> Array:
    room = [(0, 0)] * x.ndim
    room[axis] = (0, x.shape[axis] % 2)
    return jnp.pad(x, room)
