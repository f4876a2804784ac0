"""One table of the decoder's parameters: what drives their start, files, checks and adapters."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jaxtyping import PyTree

from lab.errors import LabError
from lab.lm import families
from lab.lm.model import Architecture

QKV = ("query", "key", "value")


@dataclass(frozen=True)
class Parameter:
    """An array of the decoder."""

    path: tuple[str, ...]  # in the tree of parameters
    # A letter an axis: V vocabulary, D model, P position, N H query heads, K H key heads, H head,
    # F hidden.
    axes: str
    shape: tuple[int, ...]
    scale: float | None  # standard deviation of its normal start; None: constant
    constant: float  # its start otherwise
    name: str  # in a Hugging Face file
    transposed: bool = False  # there, against here
    target: bool = False  # a low-rank adapter may stand beside it
    fused: int | None = None  # which part of the tensor of that name it is, of query, key, value

    @property
    def stream(self) -> str:
        """Of its random start: widths and depths can be changed one at a time."""
        words = [word for word in self.path if word not in ("layers", "kernel", "bias")]
        return "/".join(words)


@lru_cache
def parameters(arch: Architecture) -> tuple[Parameter, ...]:
    """Every parameter of an architecture. Raises `LabError` for one that its family has no name of.

    Kernels start from N(0, 1/d_in), those that write to the residual stream from 1/sqrt(2 L) of
    that, embeddings from N(0, 0.02^2), norms from 1, biases from 0.
    """
    a, family = arch, families.of(arch.family)
    sizes = {"V": a.n_tokens, "D": a.d_model, "F": a.d_hidden, "P": a.n_positions, "H": a.d_head}
    sizes |= {"N": a.n_heads * a.d_head, "K": a.n_kv_heads * a.d_head}
    residual = (2 * a.n_layers) ** -0.5

    def array(path, axes, kind="weight", scale=None, constant=0.0, **more) -> Parameter:
        *_, part = (name for name in path if name not in ("kernel", "bias"))
        layer = path[1] if path[0] == "layers" else ""
        theirs = family.names.get(part.removesuffix("_bias"))
        if theirs is None:
            raise LabError(f"family: {family.name} has no {part}; choose another one")
        name = f"{theirs.format(layer)}.{kind}"
        shape = tuple(sizes[axis] for axis in axes)
        return Parameter(path, axes, shape, scale, constant, name, **more)

    def norm(*path: str, axes="D") -> Iterator[Parameter]:
        yield array(path, axes, constant=1.0 - a.norm_offset)
        if a.norm == "layer":
            yield array((*path[:-1], f"{path[-1]}_bias"), axes, "bias")

    def projection(layer, part, axes, scale=1.0, bias=False) -> Iterator[Parameter]:
        path, start = ("layers", layer, part), scale * sizes[axes[0]] ** -0.5
        more: dict[str, Any] = {}
        if family.fused and part in QKV:
            more["fused"] = QKV.index(part)
        kernel = {"transposed": not family.as_here, "target": True, **more}
        yield array((*path, "kernel"), axes, scale=start, **kernel)
        if bias:
            yield array((*path, "bias"), axes[1], "bias", **more)

    def layer(i: str) -> Iterator[Parameter]:
        yield from norm("layers", i, "attention_norm")
        for part, axes in zip(QKV, ("DN", "DK", "DK"), strict=True):
            yield from projection(i, part, axes, bias=a.qkv_bias)
        for part in QKV[:2] if a.qk_norm else ():
            yield from norm("layers", i, f"{part}_norm", axes="H")
        yield from projection(i, "output", "ND", residual, a.output_bias)
        if a.post_norms:
            yield from norm("layers", i, "attention_post_norm")
        yield from norm("layers", i, "mlp_norm")
        if a.gated:
            yield from projection(i, "gate", "DF", bias=a.mlp_bias)
        yield from projection(i, "up", "DF", bias=a.mlp_bias)
        yield from projection(i, "down", "FD", residual, a.mlp_bias)
        if a.post_norms:
            yield from norm("layers", i, "mlp_post_norm")

    found = [array(("embed",), "VD", scale=0.02)]
    if a.learned_positions:
        found.append(array(("positions",), "PD", scale=0.02))
    found += [p for i in range(a.n_layers) for p in layer(str(i))]
    found += norm("norm")
    if not a.tied:
        found.append(array(("head",), "DV", scale=a.d_model**-0.5, transposed=True))
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
