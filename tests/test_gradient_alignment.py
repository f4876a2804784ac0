"""What is removed from a gradient is gone, and the smoke preset measures every arm."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import gradient_alignment as experiment
from figures import fig_gradient_alignment, style
from lab import cli, mlp, results
from lab.errors import LabError
from lab.run import Run
from theory import alignment, gradients

SIZES = (6, 5, 4)
TINY = dataclasses.replace(
    experiment.PRESETS["smoke"],
    members="2",
    widths=(16,),
    dataset="digits",
    rows_per_epoch=640,
    student_epochs=2,
    every=1,
)


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
    data, dataset = experiment.prepare(TINY, cli.Options())
    with Run(tmp_path_factory.mktemp("runs"), experiment.NAME, TINY, dataset) as run:
        run.finish(experiment.main(TINY, data, run, cli.Options()))
    return run.folder


def test_every_arm_is_measured_along_all_of_training(folder):
    table = results.read_table(folder / "table.csv")
    for arm in alignment.ARMS:
        for member in (0, 1):
            steps = table["step"][(table["arm"] == arm) & (table["member"] == member)]
            assert steps.tolist() == list(range(1, 21))
    assert all(np.isfinite(table[value]).all() for value in experiment.UNITS)
    assert (np.abs(table["cosine"]) <= np.abs(table["cosine_hidden"]) + 1e-6).all()


def test_arms_of_one_start_agree_before_their_first_step_and_not_after(folder):
    table = results.read_table(folder / "table.csv")
    at = lambda arm, i: table["trait_loss"][(table["arm"] == arm) & (table["member"] == 0)][i]
    for arm in alignment.ARMS:
        assert (at(arm, 0) == at("imitation", 0)) == (arm != "other init")
        assert (at(arm, 2) == at("imitation", 2)) == (arm == "imitation")


def test_the_figure_is_drawn_from_the_table_alone_and_the_same_each_time(folder, tmp_path):
    first = style.draw(fig_gradient_alignment.figure, folder)
    again = style.draw_from(
        fig_gradient_alignment.figure,
        folder / "table.csv",
        folder / "run.json",
        tmp_path / "figure",
    )
    for a, b in zip(first, again, strict=True):
        assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize(("field", "value"), [("every", 0), ("liminal_start", -1.0), ("n_aux", 0)])
def test_impossible_settings_are_refused_by_name(field, value):
    config = dataclasses.replace(TINY, **{field: value})
    with pytest.raises(LabError, match=f"{field}: "):
        experiment.prepare(config, cli.Options())
