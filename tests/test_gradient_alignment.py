"""What is removed from a gradient is gone, and the smoke preset measures every arm."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.gradient_alignment import EXPERIMENT, PRESETS
from lab.errors import LabError
from lab.mnist import mlp
from lab.mnist.mlp import MLP
from lab.optim import Optim
from lab.runs import claims, results
from lab.runs.experiment import Options
from tests import process
from theory import alignment, gradients

SIZES = (6, 5, 4)
ONCE = Optim(learning_rate=1e-3, batch=64)
TINY = replace(
    PRESETS["smoke"],
    members="2",
    net=MLP(hidden=(16,)),
    dataset="digits",
    rows_per_epoch=640,
    teacher=ONCE,
    student=replace(ONCE, epochs=2),
    every=1,
)
ARMS = alignment.students(TINY.liminal_start, TINY.student.epochs)


@pytest.fixture(scope="module")
def trees():
    a, b = (mlp.init(jax.random.key(i), SIZES) for i in (0, 1))
    return a, jax.tree.map(lambda x, y: x + 2 * y, a, b)


def test_the_aligned_part_is_removed_from_the_hidden_layers_and_nothing_else(trees):
    a, b = trees
    found = alignment.without(a, b)
    hidden = alignment.hidden
    assert abs(gradients.dot(hidden(found), hidden(b))) < 1e-4
    np.testing.assert_array_equal(found["dense_1"]["kernel"], a["dense_1"]["kernel"])
    # Pythagoras: what is left and what was removed are orthogonal.
    removed = jax.tree.map(jnp.subtract, a, found)
    total = gradients.norm(found) ** 2 + gradients.norm(removed) ** 2
    np.testing.assert_allclose(total, gradients.norm(a) ** 2, rtol=1e-5)


def test_the_random_part_is_as_long_as_the_aligned_one_and_points_elsewhere(trees):
    a, b = trees
    aligned = jax.tree.map(jnp.subtract, a, alignment.without(a, b))
    random = jax.tree.map(jnp.subtract, a, alignment.without_random(a, b, jax.random.key(7)))
    np.testing.assert_allclose(gradients.norm(random), gradients.norm(aligned), rtol=1e-5)
    assert abs(gradients.cosine(random, aligned)) < 0.6


def test_the_liminal_pull_rises_for_an_epoch_and_fades_to_nothing():
    at = lambda time: float(alignment.back(jnp.float32(time), 0.1, 5))
    np.testing.assert_allclose([at(t) for t in (0, 0.5, 1, 3, 5)], [0.1, 0.55, 1, 0.5, 0], 1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return process.run_in(tmp_path_factory.mktemp("runs"), EXPERIMENT, TINY)


def test_every_arm_is_measured_along_all_of_training(folder):
    table = results.read_table(folder / "table.csv")
    for arm in ARMS:
        for member in (0, 1):
            steps = table["step"][(table["arm"] == arm) & (table["member"] == member)]
            assert steps.tolist() == list(range(1, 21))
    assert all(np.isfinite(table[value]).all() for value in EXPERIMENT.units)
    assert (np.abs(table["cosine"]) <= np.abs(table["cosine_hidden"]) + 1e-6).all()


def test_arms_of_one_start_agree_before_their_first_step_and_not_after(folder):
    table = results.read_table(folder / "table.csv")
    at = lambda arm, i: table["trait_loss"][(table["arm"] == arm) & (table["member"] == 0)][i]
    for arm in ARMS:
        assert (at(arm, 0) == at("imitation", 0)) == (arm != "other init")
        assert (at(arm, 2) == at("imitation", 2)) == (arm == "imitation")


def test_the_figure_is_drawn_from_the_table_alone_and_the_same_each_time(folder, tmp_path):
    assert process.drawn_again(folder, EXPERIMENT, tmp_path)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda: {"every": 0}, "every"),
        (lambda: {"liminal_start": -1.0}, "liminal_start"),
        (lambda: {"net": MLP(n_aux=0)}, "n_aux"),
    ],
)
def test_impossible_settings_are_refused_by_name(change, field):
    with pytest.raises(LabError, match=f"{field}: "):
        EXPERIMENT.prepare(replace(TINY, **change()), Options())


def test_what_every_arm_costs_is_said_against_plain_imitation(folder):
    found = claims.of_record(results.read_json(folder / "run.json"))
    table = results.read_table(folder / "table.csv")
    at_end = {arm: np.mean([*results.last(table, arm, "accuracy").values()]) for arm in ARMS}
    (cost,) = (c for text, c in found.items() if text.startswith("other init: accuracy"))
    np.testing.assert_allclose(cost.mean, at_end["imitation"] - at_end["other init"], atol=1e-9)
    assert len(found) == 6 + 5
