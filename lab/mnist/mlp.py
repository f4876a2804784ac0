"""A multilayer perceptron with class logits and auxiliary logits, as a plain pytree of arrays.

Parameters are {"dense_0": {"kernel": [d_in, d_out], "bias": [d_out]}, ...}, or without
biases; the last layer has n_classes + n_aux outputs, the auxiliary ones after the classes.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from lab import rng
from lab.kernels.rounded_matmul import rounded_matmul
from lab.runs import fields
from lab.runs.fields import Count, Items, Real

Params = dict[str, dict[str, Array]]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "gelu": jax.nn.gelu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
}


UNITS = Count(1, 1_000_000)


@dataclass(frozen=True)
class MLP:
    """A network as a value; another kind has the same fields `n_aux`, `n_classes` and methods.

    Raises `LabError` for a layer without units, or with a million.
    """

    hidden: Annotated[tuple[Annotated[int, UNITS], ...], Items(1, 100)] = (256, 256)
    """Units of each hidden layer; as many layers as numbers."""
    activation: Literal["relu", "gelu", "tanh", "sigmoid"] = "relu"
    """Between layers."""
    n_aux: Annotated[int, UNITS] = 3
    """Auxiliary logits (m in the paper)."""
    n_classes: Annotated[int, UNITS] = 10
    """Class logits, which come first."""
    init_scale: Annotated[float, Real()] = 1.0
    """Of the initial kernels, times the usual 1 / sqrt(d_in)."""
    bias: bool = True
    """Whether layers have biases, which are 0 at first."""

    __post_init__ = fields.check

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of every layer, the pixels first."""
        return (784, *self.hidden, self.n_classes + self.n_aux)

    @property
    def n_activations(self) -> int:
        """Numbers of one example that its gradient needs, those of all layers."""
        return sum(self.sizes)

    def init(self, key: Key[Array, ""]) -> Params:
        """Parameters before training."""
        return init(key, self.sizes, self.init_scale, self.bias)

    def apply(
        self, params: Params, x: Float[Array, "B 784"], dtype: str = "float32"
    ) -> Float[Array, "B O"]:
        """Class and auxiliary logits."""
        return apply(params, x, self.activation, dtype)


def variants(net: MLP) -> dict[str, MLP]:
    """Networks that differ from one in a single respect."""
    deeper, shallower = (*net.hidden, net.hidden[-1]), net.hidden[:-1] or net.hidden
    width = lambda factor: tuple(max(1, int(factor * n)) for n in net.hidden)
    changes: dict[str, dict] = {
        "GELU": {"activation": "gelu"},
        "sigmoid": {"activation": "sigmoid"},
        "deeper": {"hidden": deeper},
        "shallower": {"hidden": shallower},
        "half as wide": {"hidden": width(0.5)},
        "twice as wide": {"hidden": width(2)},
        "no biases": {"bias": False},
    }
    return {name: replace(net, **change) for name, change in changes.items()}


def init(
    key: Key[Array, ""], sizes: tuple[int, ...], scale: float = 1.0, bias: bool = True
) -> Params:
    """Kernels N(0, scale^2 / d_in) and zero biases; each kernel's key is named after its layer.

    Source: the authors' script (a plain normal; `nnx.Linear` would truncate it).
    """
    pairs = enumerate(itertools.pairwise(sizes))
    return {f"dense_{i}": layer(key, i, *pair, scale, bias) for i, pair in pairs}


def layer(
    key: Key[Array, ""], i: int, d_in: int, d_out: int, scale: float = 1.0, bias: bool = True
) -> dict[str, Array]:
    """Layer number i of a network, before training."""
    kernel = jax.random.normal(rng.named(key, f"dense_{i}"), (d_in, d_out)) * (scale * d_in**-0.5)
    return {"kernel": kernel} | ({"bias": jnp.zeros(d_out)} if bias else {})


def apply(
    params: Params,
    x: Float[Array, "B D"],
    activation: str = "relu",
    dtype: str = "float32",
) -> Float[Array, "B O"]:
    """Logits in float32; matrix products take operands rounded to `dtype`."""
    for i in range(len(params)):
        x = dense(params[f"dense_{i}"], x, dtype)
        if i < len(params) - 1:
            x = ACTIVATIONS[activation](x)
    return x


def dense(
    layer: dict[str, Array], x: Float[Array, "B I"], dtype: str = "float32"
) -> Float[Array, "B O"]:
    """A layer before its activation."""
    kernel = layer["kernel"]
    x = jnp.matmul(x, kernel) if dtype == "float32" else rounded_matmul(x, kernel, dtype)
    return x + layer["bias"][None] if "bias" in layer else x


def first_outputs(params: Params, n: int) -> Params:
    """Parameters of the network that computes the first `n` logits alone."""
    last = head(params)
    return params | {last: {name: x[..., :n] for name, x in params[last].items()}}


def head(params: Params) -> str:
    """The name of the last layer, whose outputs are the logits."""
    return f"dense_{len(params) - 1}"
