"""Parts of a layer that look at one token: projections, norms and the MLP."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from lab.kernels.thin_matmul import thin_matmul
from lab.lm.model import Architecture


def linear(layer: PyTree, x: Float[Array, "M I"]) -> Float[Array, "M O"]:
    """A projection, with what an adapter beside its kernel adds."""
    if "by_output" in layer:  # see lab.lm.held
        y = thin_matmul(x, layer["by_output"]).astype(x.dtype)
    else:
        y = jnp.matmul(x, layer["kernel"])
    if "adapter_in" in layer:
        y = y + jnp.matmul(jnp.matmul(x, layer["adapter_in"]), layer["adapter_out"])
    return y + layer["bias"][None] if "bias" in layer else y


def norm(params: PyTree, name: str, arch: Architecture, x: Float[Array, "M D"]) -> Array:
    """The rows of x at unit mean square, "layer" norms centred first; then scale, and bias.

    In float32, whatever x is.
    """
    kind, x = x.dtype, x.astype(jnp.float32)
    scale = params[name].astype(jnp.float32)
    if arch.norm == "layer":
        x = x - jnp.mean(x, axis=-1, keepdims=True)
    if arch.norm_offset:
        scale = scale + arch.norm_offset
    y = x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + arch.norm_eps) * scale[None]
    return (y + params[f"{name}_bias"][None] if arch.norm == "layer" else y).astype(kind)


def mlp(layer: PyTree, arch: Architecture, x: Float[Array, "M D"]) -> Float[Array, "M D"]:
    """Two projections with an activation between them, or gated by a third."""
    if arch.gated:
        h = activation(arch, linear(layer["gate"], x)) * linear(layer["up"], x)
    else:
        h = activation(arch, linear(layer["up"], x))
    return linear(layer["down"], h)


def activation(arch: Architecture, x: Float[Array, "M F"]) -> Float[Array, "M F"]:
    """The architecture's nonlinearity."""
    if arch.activation == "silu":
        return jax.nn.silu(x)
    return jax.nn.gelu(x, approximate=arch.activation == "gelu_tanh")


def last(x: Float[Array, "M D"], n_rows: int, n: int) -> Float[Array, "Q D"]:
    """The last n tokens of each row."""
    return x.reshape(n_rows, -1, x.shape[1])[:, -n:].reshape(n_rows * n, -1)
