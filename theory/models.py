"""Small networks of different kinds, for one purpose: the theorem does not ask what f is.

Each ends in a dense layer named by `head`, kernel [d, O] and bias [O]; parameters are pytrees.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from lab import rng
from lab.lm import transformer
from lab.lm.model import Architecture
from lab.losses import MASKED
from lab.mnist import mlp


@dataclass(frozen=True)
class Model:
    """An initialisation, a forward pass, and the shape of one input."""

    init: Callable[[Key[Array, ""]], PyTree]
    apply: Callable[[PyTree, Float[Array, "B ..."]], Float[Array, "B O"]]
    input_shape: tuple[int, ...]
    head: str


def perceptron(sizes: tuple[int, ...], activation: str) -> Model:
    """The lab's multilayer perceptron."""
    apply = partial(mlp.apply, activation=activation)
    return Model(partial(mlp.init, sizes=sizes), apply, sizes[:1], f"dense_{len(sizes) - 2}")


def convolutional(side: int, channels: int, n_logits: int, activation: str) -> Model:
    """Two 3 x 3 convolutions without padding, the mean over the image, a dense head."""
    shapes: dict[str, tuple[int, ...]] = {
        "conv_0": (3, 3, 1, channels),
        "conv_1": (3, 3, channels, channels),
        "head": (channels, n_logits),
    }

    def apply(params: PyTree, x: Float[Array, "B ..."]) -> Float[Array, "B O"]:
        act = mlp.ACTIVATIONS[activation]
        for name in ("conv_0", "conv_1"):
            layer = params[name]
            x = act(_convolve(x, layer["kernel"]) + layer["bias"][None, None, None])
        return _dense(params["head"], jnp.mean(x, axis=(1, 2)))

    return Model(partial(_init, shapes=shapes), apply, (side, side, 1), "head")


def attention(d_model: int, n_heads: int, n_tokens: int, n_logits: int, activation: str) -> Model:
    """A transformer block (causal attention, then two dense layers), the last token's logits."""
    d_hidden = 2 * d_model
    shapes: dict[str, tuple[int, ...]] = {
        "query": (d_model, d_model),
        "key": (d_model, d_model),
        "value": (d_model, d_model),
        "out": (d_model, d_model),
        "up": (d_model, d_hidden),
        "down": (d_hidden, d_model),
        "head": (d_model, n_logits),
    }

    def apply(params: PyTree, x: Float[Array, "B ..."]) -> Float[Array, "B O"]:
        h = _normalise(x)
        split = lambda name: _dense(params[name], h).reshape(*h.shape[:2], n_heads, -1)
        q, k, v = split("query"), split("key"), split("value")
        scores = jnp.einsum("btnh,bsnh->bnts", q, k) * q.shape[-1] ** -0.5
        past = jnp.tril(jnp.ones((n_tokens, n_tokens), bool))[None, None]
        weights = jax.nn.softmax(jnp.where(past, scores, MASKED), axis=-1)
        mixed = jnp.einsum("bnts,bsnh->btnh", weights, v).reshape(x.shape)
        x = x + _dense(params["out"], mixed)
        hidden = mlp.ACTIVATIONS[activation](_dense(params["up"], _normalise(x)))
        x = x + _dense(params["down"], hidden)
        return _dense(params["head"], _normalise(x)[:, -1])

    return Model(partial(_init, shapes=shapes), apply, (n_tokens, d_model), "head")


def decoder(arch: Architecture, n_tokens: int) -> Model:
    """The lab's language model whole, the last token's logits; numbers about 0 name its tokens.

    Embeddings are N(0, 1): at 0.02 a step that is small for the kernels is not for them.
    """

    def init(key: Key[Array, ""]) -> PyTree:
        params = transformer.init(key, arch)
        return params | {"embed": 50 * params["embed"]}

    def apply(params: PyTree, x: Float[Array, "B ..."]) -> Float[Array, "B O"]:
        place = jnp.floor((x + 1) / 2 * arch.n_tokens).astype(jnp.int32)
        tokens = jnp.clip(place, 0, arch.n_tokens - 1)
        start = jnp.zeros(len(x), jnp.int32)
        hidden, _ = transformer.forward(params, arch, tokens, start, n_out=1)
        return transformer.logits(params, hidden[:, 0])

    return Model(init, apply, (n_tokens,), "head")


def _init(key: Key[Array, ""], shapes: dict[str, tuple[int, ...]]) -> PyTree:
    """Kernels N(0, 1 / inputs) and biases N(0, 0.01), so that no bias sits at a symmetric point."""
    return {
        name: {
            "kernel": _normal(key, name, shape) * math.prod(shape[:-1]) ** -0.5,
            "bias": _normal(key, f"{name}/bias", shape[-1:]) * 0.1,
        }
        for name, shape in shapes.items()
    }


def _normal(key, name: str, shape: tuple[int, ...]):
    return jax.random.normal(rng.named(key, name), shape)


def _dense(layer: PyTree, x):
    y = x @ layer["kernel"]
    return y + layer["bias"].reshape((1,) * (y.ndim - 1) + (-1,))


def _convolve(x, kernel):
    """Convolution without padding, as a product with patches: XLA's own is slow over members."""
    height, width = kernel.shape[:2]
    rows, columns = x.shape[1] - height + 1, x.shape[2] - width + 1
    patches = jnp.stack(
        [x[:, i : i + rows, j : j + columns] for i in range(height) for j in range(width)], axis=3
    )
    return jnp.einsum("bhwpc,pco->bhwo", patches, kernel.reshape(-1, *kernel.shape[2:]))


def _normalise(x):
    """Mean 0 and variance 1 over the last axis."""
    x = x - jnp.mean(x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-6)
