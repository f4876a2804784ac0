"""A model as it is held for decoding: of fewer bytes, and laid out as they are read fastest."""

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, PyTree


def held(params: PyTree, dtype: DTypeLike) -> PyTree:
    """The parameters as `dtype`; in bfloat16 on a CPU, kernels lie by output (`thin_matmul`).

    Such a model is for `lab.lm.sample` alone: it takes no adapter, and is not saved.
    """
    params = jax.tree.map(lambda x: x.astype(dtype), params)  # no copy of what is so already
    if jnp.dtype(dtype) != jnp.bfloat16 or jax.default_backend() != "cpu":
        return params
    return _turned(params) | {
        "head_by_output": params["head"].T if "head" in params else params["embed"]
    }


def _turned(tree: PyTree) -> PyTree:
    if isinstance(tree, Array):
        return tree
    turn = lambda name, x: ("by_output", x.T) if name == "kernel" else (name, _turned(x))
    return dict(turn(name, x) for name, x in tree.items() if name != "head")
