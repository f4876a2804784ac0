"""A multilayer perceptron with class logits and auxiliary logits, as a plain pytree of arrays.

Parameters are {"dense_0": {"kernel": [d_in, d_out], "bias": [d_out]}, ...}; the last layer has
n_classes + n_aux outputs, the auxiliary ones after the classes.
"""

import itertools
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from lab import rng

Params = dict[str, dict[str, Array]]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "gelu": jax.nn.gelu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
}


def init(key: Key[Array, ""], sizes: tuple[int, ...]) -> Params:
    """Kernels N(0, 1 / d_in) and zero biases; each kernel's key is named after its layer.

    Source: the authors' script (a plain normal; `nnx.Linear` would truncate it).
    """
    return {
        f"dense_{i}": {
            "kernel": jax.random.normal(rng.named(key, f"dense_{i}"), (d_in, d_out)) * d_in**-0.5,
            "bias": jnp.zeros(d_out),
        }
        for i, (d_in, d_out) in enumerate(itertools.pairwise(sizes))
    }


def apply(
    params: Params,
    x: Float[Array, "B D"],
    activation: str = "relu",
    dtype: str = "float32",
) -> Float[Array, "B O"]:
    """Logits in float32; matrix products take operands rounded to `dtype`."""
    for i in range(len(params)):
        layer = params[f"dense_{i}"]
        exact = dtype == "float32"
        kernel = layer["kernel"]
        x = jnp.matmul(x, kernel) if exact else rounded_matmul(x, kernel, dtype)
        x = x + layer["bias"][None]
        if i < len(params) - 1:
            x = ACTIVATIONS[activation](x)
    return x


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
