"""Where a student's displacement lies beside its teacher's, part by part."""

from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from lab.drift import spectrum
from lab.drift.displacement import ALL, Heads, by_head, by_layer, cosine, distance, flat, projection

Parts = Mapping[str, Mapping[str, Array]]  # the arrays of each part, by path
UNITS = {
    "cosine": "with the teacher's displacement",
    "distance": "to the teacher, in lengths of its displacement",
    "projection": "of the teacher's way",
    "stable_rank": "directions",
    "effective_rank": "directions",
    "overlap_left": "mean squared cosine",
    "overlap_right": "mean squared cosine",
}


def parts_of(tree: PyTree, heads: Heads | None = None) -> Parts:
    """The whole, its layers, and the (query, key and value) heads of a decoder's if there are any.

    A layer without a matrix, as a last norm, belongs to the whole alone.
    """
    layers = {k: v for k, v in by_layer(tree).items() if any(x.ndim == 2 for x in v.values())}
    return {ALL: flat(tree), **layers, **(by_head(tree, heads) if heads else {})}


class Directions(NamedTuple):
    """The leading singular vectors of a matrix's update, as columns."""

    left: Float[Array, "I k"]
    right: Float[Array, "O k"]


def directions(parts: Parts, k: int) -> dict[str, dict[str, Directions]]:
    """The k leading directions of every matrix of every part; fewer of a smaller matrix."""
    found: dict[int, Directions] = {}  # the whole has every layer's matrices

    def of(x: Array) -> Directions:
        if id(x) not in found:
            found[id(x)] = Directions(*spectrum.leading(x, k)[1:])
        return found[id(x)]

    return {
        name: {path: of(x) for path, x in part.items() if x.ndim == 2}
        for name, part in parts.items()
    }


def geometry(
    moved: Parts, teacher: Parts, axes: Mapping[str, Mapping[str, Directions]]
) -> dict[str, Float[Array, "L"]]:
    """The columns of `UNITS` for each of L parts of a displacement, beside the teacher's.

    `axes` are the teacher's directions. Ranks and overlaps of a part are means over its matrices.
    """
    found: dict[str, list[Array]] = {name: [] for name in UNITS}
    known: dict[int, tuple[Array, ...]] = {}  # the whole has every layer's matrices
    for name, part in moved.items():
        rows = []
        for path, own in axes[name].items():
            if id(part[path]) not in known:
                k = own.left.shape[1]
                values, left, right = spectrum.leading(part[path], k)
                known[id(part[path])] = (
                    spectrum.stable_rank(values),
                    spectrum.effective_rank(values),
                    spectrum.overlap(left, own.left),
                    spectrum.overlap(right, own.right),
                )
            rows.append(known[id(part[path])])
        other = dict(teacher[name])
        along = [
            cosine(dict(part), other),
            distance(dict(part), other),
            projection(dict(part), other),
        ]
        means = [jnp.mean(jnp.stack(column)) for column in zip(*rows, strict=True)]
        for column, value in zip(found, [*along, *means], strict=True):
            found[column].append(value)
    return {column: jnp.stack(values) for column, values in found.items()}
