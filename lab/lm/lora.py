"""Low-rank adapters: beside a frozen kernel [I O] the product of [I R] and [R O].

An adapter is a tree like {"layers": {"0": {"query": {"in": [I R], "out": [R O]}}}}, for every
projection of every layer.
Source: Hu et al., arXiv 2106.09685. The paper's open-model runs use rank 8, alpha 8, all seven.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from lab import rng
from lab.lm import spec
from lab.lm.model import Architecture


def init(key: Key[Array, ""], arch: Architecture, rank: int) -> PyTree:
    """An adapter that changes nothing yet: "in" is N(0, 1/I), "out" is 0.

    PEFT draws "in" uniformly (Kaiming) with a third of that variance.
    """
    arrays = {}
    for p in spec.targets(arch):
        d_in, d_out = p.shape
        factor = jax.random.normal(rng.named(key, p.stream), (d_in, rank)) * d_in**-0.5
        arrays[*p.path[:-1], "in"] = factor
        arrays[*p.path[:-1], "out"] = jnp.zeros((rank, d_out))
    return spec.build(arrays)


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
