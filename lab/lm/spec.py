"""One table of the decoder's parameters: what drives their start, files, checks and adapters."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jaxtyping import PyTree

from lab.errors import LabError
from lab.lm.model import Architecture


@dataclass(frozen=True)
class Parameter:
    """An array of the decoder."""

    path: tuple[str, ...]  # in the tree of parameters
    axes: str  # a letter an axis: V vocabulary, D model, N H query heads, K H key heads, F hidden
    shape: tuple[int, ...]
    scale: float | None  # standard deviation of its normal start; None: constant
    constant: float  # its start otherwise
    name: str  # in a Hugging Face file
    transposed: bool = False  # there, against here
    target: bool = False  # a low-rank adapter may stand beside it

    @property
    def stream(self) -> str:
        """Of its random start: widths and depths can be changed one at a time."""
        words = [word for word in self.path if word not in ("layers", "kernel", "bias")]
        return "/".join(words)


@lru_cache
def parameters(arch: Architecture) -> tuple[Parameter, ...]:
    """Every parameter of an architecture.

    Kernels start from N(0, 1/d_in), those that write to the residual stream from 1/sqrt(2 L) of
    that, embeddings from N(0, 0.02^2), norms from 1, biases from 0.
    """
    a = arch
    sizes = {"V": a.n_tokens, "D": a.d_model, "F": a.d_hidden}
    sizes |= {"N": a.n_heads * a.d_head, "K": a.n_kv_heads * a.d_head}
    residual = (2 * a.n_layers) ** -0.5

    def array(path, axes, name, scale=None, constant=0.0, **more) -> Parameter:
        shape = tuple(sizes[axis] for axis in axes)
        return Parameter(path, axes, shape, scale, constant, name, **more)

    def projection(layer, part, axes, theirs, scale=1.0, bias=False) -> Iterator[Parameter]:
        path, name = ("layers", layer, part), f"model.layers.{layer}.{theirs}"
        start = scale * sizes[axes[0]] ** -0.5
        more: dict[str, Any] = {"transposed": True, "target": True}
        yield array((*path, "kernel"), axes, f"{name}.weight", start, **more)
        if bias:
            yield array((*path, "bias"), axes[1], f"{name}.bias")

    def layer(i: str) -> Iterator[Parameter]:
        norm = lambda part, theirs: array(
            ("layers", i, part), "D", f"model.layers.{i}.{theirs}.weight", constant=1.0
        )
        yield norm("attention_norm", "input_layernorm")
        yield from projection(i, "query", "DN", "self_attn.q_proj", bias=a.qkv_bias)
        yield from projection(i, "key", "DK", "self_attn.k_proj", bias=a.qkv_bias)
        yield from projection(i, "value", "DK", "self_attn.v_proj", bias=a.qkv_bias)
        yield from projection(i, "output", "ND", "self_attn.o_proj", residual)
        yield norm("mlp_norm", "post_attention_layernorm")
        yield from projection(i, "gate", "DF", "mlp.gate_proj")
        yield from projection(i, "up", "DF", "mlp.up_proj")
        yield from projection(i, "down", "FD", "mlp.down_proj", residual)

    found = [array(("embed",), "VD", "model.embed_tokens.weight", 0.02)]
    found += [p for i in range(a.n_layers) for p in layer(str(i))]
    found.append(array(("norm",), "D", "model.norm.weight", constant=1.0))
    if not a.tied:
        start = a.d_model**-0.5
        found.append(array(("head",), "DV", "lm_head.weight", start, transposed=True))
    return tuple(found)


def targets(arch: Architecture) -> tuple[Parameter, ...]:
    """The kernels that an adapter stands beside."""
    return tuple(p for p in parameters(arch) if p.target)


def at(tree: PyTree, path: tuple[str, ...]) -> Any:
    """The array at a path."""
    for name in path:
        tree = tree[name]
    return tree


def build(arrays: Mapping[Any, Any]) -> PyTree:
    """Arrays by path as a tree."""
    tree: dict[str, Any] = {}
    for path, array in arrays.items():
        inner = tree
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = array
    return tree


def check(arch: Architecture, params: PyTree, where: str) -> None:
    """Raise `LabError` for the first array whose shape is not the architecture's."""
    for p in parameters(arch):
        found = at(params, p.path).shape
        if found != p.shape:
            raise LabError(
                f"{where}: {'.'.join(p.path)} has the shape {found} and not {p.shape}, which "
                "config.json says; fetch both from the same place"
            )
