"""What is measured of an MNIST network beside a teacher: where it went, and what it does."""

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, PyTree

from lab import rng
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
    parts = lambda end, begin: parts_of(drift.displacement(begin, end))
    way = parts(at.teacher, at.reference)
    accuracy = partial(epochs.accuracy, chosen, test)
    error = lambda theta: 1 - accuracy(theta)
    barrier = lambda part: landscape.barrier(
        landscape.segment(error, params, drift.transplanted(params, at.teacher, part), _SEGMENT)
    )
    fisher = parts_of(at.fisher)
    left, begun = parts(params, at.teacher), parts(at.reference, at.teacher)
    far = lambda part: (
        landscape.fisher_norm(fisher[part], left[part])
        / jnp.maximum(landscape.fisher_norm(fisher[part], begun[part]), 1e-30)
    )
    seen, known = layers(chosen, params, test), layers(chosen, params, train)
    alike = [activations.cka(x, y) for x, y in zip(seen, at.activations, strict=True)]
    read = [
        activations.probe_accuracy(x, train.labels, chosen.net.n_classes, y, test.labels)
        for x, y in zip(known, seen, strict=True)
    ]
    with_mean = lambda values: jnp.stack([jnp.mean(jnp.stack(values)), *values])
    return geometry(parts(params, start), way, at.axes) | {
        "accuracy": jnp.stack([accuracy(drift.transplanted(start, params, p)) for p in way]),
        "barrier": jnp.stack([barrier(part) for part in way]),
        "fisher": jnp.stack([far(part) for part in way]),
        "cka": with_mean(alike),
        "probe": with_mean(read),
    }
