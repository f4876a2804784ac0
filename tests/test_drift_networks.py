"""What is measured of a network beside a teacher, against a plain computation of each column."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.parameter_drift import PRESETS
from lab.drift import activations, landscape, networks
from lab.mnist import protocol
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Images
from tests.plain import cosine, flat

CHOSEN = replace(PRESETS["smoke"], net=MLP(hidden=(6, 5), n_aux=2, n_classes=4))
LAYERS = ("dense_0", "dense_1", "dense_2")


def images(seed, n):
    """Blots of four places, some labelled as another one's."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n)
    pixels = rng.integers(0, 120, (n, 784))
    for row, label in zip(pixels, labels, strict=True):
        row[196 * label : 196 * label + 60] += 130
    labels = np.where(rng.random(n) < 0.2, rng.integers(0, 4, n), labels)
    return Images(jnp.asarray(pixels, jnp.uint8), jnp.asarray(labels, jnp.int32))


TRAIN, TEST = images(0, 60), images(1, 50)


def near(params, size, seed):
    """Parameters, and normal noise on all of them."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    noise = [size * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, [x + n for x, n in zip(leaves, noise, strict=True)])


@pytest.fixture(scope="module")
def four():
    """A reference, its teacher, a student, and where that began: at no reference of the teacher."""
    reference = protocol.reference(CHOSEN, jnp.uint32(0))
    teacher, start = near(reference, 0.15, 1), protocol.reference(CHOSEN, jnp.uint32(1))
    return reference, teacher, near(start, 0.1, 2), start


@pytest.fixture(scope="module")
def measured(four):
    """The columns, of the whole and each layer."""
    _, teacher, student, start = four
    at = networks.marks(CHOSEN, 2, TEST, jnp.uint32(0), teacher)
    found = networks.measure(CHOSEN, TRAIN, TEST, at, start, student)
    assert list(found) == list(networks.UNITS)
    return {name: np.asarray(values) for name, values in found.items()}


def hidden(params, some, n):
    """What layer number n gives to its nonlinearity."""
    x = np.asarray(some.pixels, np.float64) * 2 / 255 - 1
    for i in range(n + 1):
        layer = {k: np.asarray(v, np.float64) for k, v in params[f"dense_{i}"].items()}
        x = (x if i == 0 else np.maximum(x, 0)) @ layer["kernel"] + layer["bias"]
    return x


def error(params, some=TEST):
    said = hidden(params, some, 2)[:, :4].argmax(axis=1)
    return np.mean(said != np.asarray(some.labels))


def with_layer(one, other, layer):
    return other if layer == "all" else one | {layer: other[layer]}


def test_accuracy_is_of_the_students_start_with_one_layer_of_the_student(four, measured):
    *_, student, start = four
    right = [1 - error(with_layer(start, student, layer)) for layer in ("all", *LAYERS)]
    np.testing.assert_allclose(measured["accuracy"], right, atol=1e-6)
    assert len(set(right)) > 2


def test_the_barrier_is_of_the_test_error_between_the_student_and_the_teachers_layer(
    four, measured
):
    _, teacher, student, _ = four
    for layer, found in zip(("all", *LAYERS), measured["barrier"], strict=True):
        end, points = with_layer(student, teacher, layer), np.linspace(0, 1, 9)
        mixed = jax.tree.map(lambda x, y: np.linspace(x, y, 9), student, end)
        way = [error(jax.tree.map(lambda x, i=i: x[i], mixed)) for i in range(9)]
        chord = (1 - points) * way[0] + points * way[-1]
        assert found == pytest.approx(max((way - chord)[1:-1]), abs=1e-6), layer


def test_fisher_is_the_teachers_and_of_the_way_that_is_left_beside_the_whole_way(four, measured):
    reference, teacher, student, _ = four

    def classes(params, x):
        return CHOSEN.logits(params, x[None])[0, :4]

    key = networks.rng.member(CHOSEN.seed, jnp.uint32(0), "fisher")
    pixels = networks.pixels(TEST.pixels)
    weights = landscape.diagonal_fisher(classes, teacher, pixels, key)

    def length(params, layer):
        parts = jax.tree.map(lambda w, x, y: np.sum(w * (x - y) ** 2), weights, params, teacher)
        return np.sqrt(sum(jax.tree.leaves(parts if layer == "all" else parts[layer])))

    left = [length(student, layer) / length(reference, layer) for layer in ("all", *LAYERS)]
    np.testing.assert_allclose(measured["fisher"], left, rtol=1e-4)
    other = landscape.diagonal_fisher(classes, reference, pixels, key)
    assert not np.allclose(*(jax.tree.leaves(w)[0] for w in (weights, other)), rtol=0.05)


def test_activations_are_the_students_beside_the_teachers_on_test_images(four, measured):
    _, teacher, student, _ = four
    both = [[jnp.asarray(hidden(p, TEST, n)) for p in (student, teacher)] for n in range(3)]
    alike = [float(activations.cka(*two)) for two in both]
    np.testing.assert_allclose(measured["cka"], [np.mean(alike), *alike], rtol=1e-4)


def test_a_probe_learns_on_training_images_and_is_asked_on_test_images(four, measured):
    *_, student, _ = four
    read = [
        activations.probe_accuracy(
            jnp.asarray(hidden(student, TRAIN, n)),
            TRAIN.labels,
            4,
            jnp.asarray(hidden(student, TEST, n)),
            TEST.labels,
        )
        for n in range(3)
    ]
    np.testing.assert_allclose(measured["probe"], [np.mean(read), *read], atol=0.021)  # one image
    assert np.mean(read) > 0.4  # a quarter by chance


def test_a_displacement_is_from_the_students_own_start_beside_the_teachers_from_its_reference(
    four, measured
):
    reference, teacher, student, start = four
    gone = flat(student) - flat(start)
    way = flat(teacher) - flat(reference)
    assert measured["cosine"][0] == pytest.approx(cosine(gone, way), abs=1e-5)
    assert measured["distance"][0] == pytest.approx(
        np.linalg.norm(gone - way) / np.linalg.norm(way), rel=1e-5
    )
