"""What is measured of an MNIST network beside a teacher: where it went, and what it does."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, PyTree

from lab import rng, tree
from lab.drift import activations, landscape
from lab.drift import displacement as drift
from lab.drift.geometry import UNITS as GEOMETRY
from lab.drift.geometry import directions, geometry, parts_of
from lab.mnist import epochs, protocol
from lab.mnist.inputs import pixels
from lab.mnist.protocol import Images, Protocol

UNITS = GEOMETRY | {
    "accuracy": "fraction, of the start with this part's displacement alone",
    "barrier": "of the error, on the way to the teacher's part",
    "fisher": "Fisher-weighted distance to the teacher, 1 at the reference",
    "cka": "of activations after the layer, with the teacher's",
    "probe": "fraction, of a linear probe after the layer",
}
_SEGMENT = 9  # points between student and teacher, ends included


class Marks(NamedTuple):
    """What students of a member are compared with."""

    reference: PyTree
    teacher: PyTree
    fisher: PyTree  # of the teacher
    axes: PyTree  # directions of its displacement
    activations: PyTree  # of its layers


def layers(chosen: Protocol, params: PyTree, images: Images) -> list[Float[Array, "N D"]]:
    """What every layer gives to its nonlinearity; of the last, the logits."""
    part = lambda i: {f"dense_{j}": params[f"dense_{j}"] for j in range(i + 1)}
    return [chosen.logits(part(i), pixels(images.pixels)) for i in range(len(params))]


def marks(
    chosen: Protocol, k: int, test: Images, member: Integer[Array, ""], teacher: PyTree
) -> Marks:
    """What students of a teacher are compared with."""
    reference = protocol.reference(chosen, member)
    classes = lambda theta, x: chosen.logits(theta, x[None])[0, : chosen.net.n_classes]
    key = rng.member(chosen.seed, member, "fisher")
    fisher = landscape.diagonal_fisher(classes, teacher, pixels(test.pixels), key)
    way = parts_of(drift.displacement(reference, teacher))
    return Marks(reference, teacher, fisher, directions(way, k), layers(chosen, teacher, test))


def measure(
    chosen: Protocol, train: Images, test: Images, at: Marks, start: PyTree, params: PyTree
) -> dict[str, Float[Array, "L"]]:
    """The columns of `UNITS` for the whole network and each layer."""
    parts = lambda first, last: parts_of(drift.displacement(first, last))
    way = parts(at.reference, at.teacher)
    accuracy = partial(epochs.accuracy, chosen, test)
    error = lambda theta: 1 - accuracy(theta)
    between = lambda to: landscape.barrier(landscape.segment(error, params, to, _SEGMENT))
    put = lambda first, last: tree.stack([drift.transplanted(first, last, part) for part in way])
    fisher, left, far = (
        parts_of(at.fisher),
        parts(at.teacher, params),
        parts(at.teacher, at.reference),
    )
    length = lambda of, part: landscape.fisher_norm(dict(fisher[part]), dict(of[part]))
    seen, known = layers(chosen, params, test), layers(chosen, params, train)
    alike = [activations.cka(x, y) for x, y in zip(seen, at.activations, strict=True)]
    read = [
        activations.probe_accuracy(x, train.labels, chosen.net.n_classes, y, test.labels)
        for x, y in zip(known, seen, strict=True)
    ]
    with_mean = lambda values: jnp.stack([jnp.mean(jnp.stack(values)), *values])
    return geometry(parts(start, params), way, at.axes) | {
        "accuracy": jax.lax.map(accuracy, put(start, params)),
        "barrier": jax.lax.map(between, put(params, at.teacher)),
        "fisher": jnp.stack([length(left, p) / jnp.maximum(length(far, p), 1e-30) for p in way]),
        "cka": with_mean(alike),
        "probe": with_mean(read),
    }
