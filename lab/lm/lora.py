"""Low-rank adapters: beside a frozen kernel [I O] the product of [I R] and [R O].

An adapter is a tree like {"layers": {"0": {"query": {"in": [I R], "out": [R O]}}}}, for every
projection of every layer, or some of them.
Source: Hu et al., arXiv 2106.09685. The paper's open-model runs use rank 8, alpha 8, all seven.
"""

from collections.abc import Callable
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from lab import rng
from lab.errors import LabError
from lab.lm import spec
from lab.lm.model import Architecture

Target = Literal["query", "key", "value", "output", "gate", "up", "down"]
TARGETS: tuple[Target, ...] = get_args(Target)


def init(
    key: Key[Array, ""],
    arch: Architecture,
    rank: int,
    targets: tuple[Target, ...] = TARGETS,
    start: Literal["normal", "kaiming"] = "normal",
) -> PyTree:
    """An adapter that changes nothing yet: "in" is N(0, 1/I), "out" is 0.

    From the start "kaiming", as PEFT has it, "in" is uniform with a third of that variance.
    Raises `LabError` if the architecture has none of the targets.
    """
    chosen = [p for p in spec.targets(arch) if p.path[-2] in targets]
    if not chosen:
        raise LabError(f"targets: a {arch.family} model has no {', '.join(targets)}; choose others")
    arrays = {}
    for p in chosen:
        d_in, d_out = p.shape
        drawn = _STARTS[start](rng.named(key, p.stream), (d_in, rank))
        factor = drawn * d_in**-0.5
        arrays[*p.path[:-1], "in"] = factor
        arrays[*p.path[:-1], "out"] = jnp.zeros((rank, d_out))
    return spec.build(arrays)


_STARTS: dict[str, Callable[[Key[Array, ""], tuple[int, int]], Array]] = {
    "normal": jax.random.normal,
    "kaiming": lambda key, shape: jax.random.uniform(key, shape, minval=-1.0),
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
