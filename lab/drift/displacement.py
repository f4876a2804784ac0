"""Displacements as vectors: their lengths and angles, whole, by layer and by attention head.

A tree is nested dicts of arrays, as MNIST networks and language models have; a part is a dict of
some of its arrays, by dotted path.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from lab.drift.drifted import ALL as ALL


def displacement(start: PyTree, end: PyTree) -> PyTree:
    """end - start, array by array."""
    return jax.tree.map(jnp.subtract, end, start)


def dot(a: PyTree, b: PyTree) -> Float[Array, ""]:
    """Inner product of two trees of parameters."""
    return jnp.asarray(optax.tree.vdot(a, b))


def norm(a: PyTree) -> Float[Array, ""]:
    """Length of a tree of parameters."""
    return jnp.asarray(optax.tree.norm(a))


def cosine(a: PyTree, b: PyTree) -> Float[Array, ""]:
    """Cosine of two trees; 0 if either is 0."""
    return dot(a, b) / jnp.maximum(norm(a) * norm(b), 1e-30)


def projection(of: PyTree, along: PyTree) -> Float[Array, ""]:
    """The part of `along` that `of` covers: 1 if it went the whole way; 0 if there is no way."""
    return dot(of, along) / jnp.maximum(dot(along, along), 1e-30)


def distance(of: PyTree, to: PyTree) -> Float[Array, ""]:
    """How far `of` is from `to`, in lengths of `to`: 1 for no displacement; 0 without a way."""
    return norm(displacement(to, of)) / jnp.maximum(norm(to), 1e-30)


def flat(tree: PyTree) -> dict[str, Array]:
    """The arrays of a tree by dotted path: "layers.0.query.kernel"."""
    named = lambda path: ".".join(str(key.key) for key in path)
    return {named(path): x for path, x in jax.tree_util.tree_leaves_with_path(tree)}


def layer_of(path: str) -> str:
    """The layer of an array's dotted path: its first name, with the number of numbered layers."""
    return ".".join(path.split(".")[: 2 if path.startswith("layers.") else 1])


def by_layer(tree: PyTree) -> dict[str, dict[str, Array]]:
    """The parts of a tree by layer, in a tree's order: by name."""
    found: dict[str, dict[str, Array]] = {}
    for path, x in flat(tree).items():
        found.setdefault(layer_of(path), {})[path] = x
    return found


class Heads(NamedTuple):
    """How many attention heads every layer of a decoder has."""

    query: int  # N
    key: int  # K: heads that keys and values have, which query heads share where K is smaller


def by_head(tree: PyTree, heads: Heads) -> dict[str, dict[str, Array]]:
    """The attention heads of a decoder's layers: what each has of the projections.

    "layers.<i>.head.<n>" has its columns of the query's kernel and bias [... N H], and its rows of
    the output's kernel [N H D]; "layers.<i>.kv.<k>" its columns of key and value [... K H].
    """
    found: dict[str, dict[str, Array]] = {}
    for path, x in flat(tree).items():
        if (place := _of_heads(path, heads)) is not None:
            of, n, axis = place
            for i, piece in enumerate(jnp.split(x, n, axis=axis)):
                found.setdefault(f"{of}.{i}", {})[path.split(".", 2)[2]] = piece
    return found


def _of_heads(path: str, heads: Heads) -> tuple[str, int, int] | None:
    """Whose an array is: "layers.0.head" or ".kv", how many there are, along which axis."""
    names = path.split(".")
    if names[0] != "layers" or names[2:] == ["output", "bias"]:  # which all heads have together
        return None
    of = {"query": "head", "output": "head", "key": "kv", "value": "kv"}.get(names[2])
    if of is None:
        return None
    n = heads.query if of == "head" else heads.key
    return f"layers.{names[1]}.{of}", n, 0 if names[2] == "output" else -1


def transplanted(start: PyTree, end: PyTree, part: str, heads: Heads | None = None) -> PyTree:
    """`start` with the displacement of one layer, or head, alone; with that of `ALL`, `end`."""

    def chosen(path, x: Array, y: Array) -> Array:
        named = ".".join(str(key.key) for key in path)
        if part in (ALL, layer_of(named)):
            return y
        place = None if heads is None else _of_heads(named, heads)
        of, _, number = part.rpartition(".")
        if place is None or of != place[0]:
            return x
        pieces, other = (jnp.split(z, place[1], axis=place[2]) for z in (x, y))
        pieces[int(number)] = other[int(number)]
        return jnp.concatenate(pieces, axis=place[2])

    return jax.tree_util.tree_map_with_path(chosen, start, end)
