"""Low-rank adapters: beside a frozen kernel [I O] the product of [I R] and [R O].

An adapter is a tree like {"layers": {"0": {"query": {"in": [I R], "out": [R O]}}}}, for every
projection of every layer.
Source: Hu et al., arXiv 2106.09685. The paper's open-model runs use rank 8, alpha 8, all seven.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from lab import rng

TARGETS = ("query", "key", "value", "output", "gate", "up", "down")


def init(key: Key[Array, ""], params: PyTree, rank: int) -> PyTree:
    """An adapter that changes nothing yet: "in" is N(0, 1/I), "out" is 0.

    PEFT draws "in" uniformly (Kaiming) with a third of that variance.
    """

    def one(name: str, kernel: Array) -> PyTree:
        d_in, d_out = kernel.shape
        factor = jax.random.normal(rng.named(key, name), (d_in, rank)) * d_in**-0.5
        return {"in": factor, "out": jnp.zeros((rank, d_out))}

    return {
        "layers": {
            i: {name: one(f"{i}/{name}", layer[name]["kernel"]) for name in TARGETS}
            for i, layer in params["layers"].items()
        }
    }


def attach(params: PyTree, adapter: PyTree, scale: float) -> PyTree:
    """The parameters with the factors beside their kernels: the kernels stay as they are."""
    return _change(
        params,
        adapter,
        lambda layer, a: layer | {"adapter_in": a["in"], "adapter_out": scale * a["out"]},
    )


def merge(params: PyTree, adapter: PyTree, scale: float) -> PyTree:
    """The parameters with the products added to their kernels: an ordinary model."""
    return _change(
        params,
        adapter,
        lambda layer, a: (
            layer | {"kernel": layer["kernel"] + scale * jnp.matmul(a["in"], a["out"])}
        ),
    )


def _change(params: PyTree, adapter: PyTree, how) -> PyTree:
    layers = {
        i: layer | {name: how(layer[name], a) for name, a in adapter["layers"][i].items()}
        for i, layer in params["layers"].items()
    }
    return params | {"layers": layers}
