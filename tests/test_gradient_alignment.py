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
from theory import alignment, alignment_claims, gradients

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
    large=96,
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
        (lambda: {"large": 0}, "large"),
        (lambda: {"liminal_start": -1.0}, "liminal_start"),
        (lambda: {"net": MLP(n_aux=0)}, "n_aux"),
    ],
)
def test_impossible_settings_are_refused_by_name(change, field):
    with pytest.raises(LabError, match=f"{field}: "):
        EXPERIMENT.prepare(replace(TINY, **change()), Options())


def test_what_every_arm_costs_is_said_as_a_part_of_plain_imitations_gain(folder):
    found = claims.of_record(results.read_record(folder / "run.json"))
    table = results.read_table(folder / "table.csv")
    at = lambda arm, value: np.mean([*results.last(table, arm, value).values()])
    gain = at("imitation", "after") - at("imitation", "before")
    for arm in list(ARMS)[1:]:
        lost = found[f"{arm}: part of the gain lost"].mean
        expected = (at("imitation", "after") - at(arm, "after")) / gain
        np.testing.assert_allclose(lost, expected, atol=1e-9)
    np.testing.assert_allclose(found["untrained student"].mean, at("imitation", "before"))
    assert "chance" in found["imitation: after training"].null


def synthetic(after: dict[str, float], n: int = 12) -> dict:
    """A table of one step whose arms end at these accuracies, from .1, give or take .01."""
    rng = np.random.default_rng(0)
    member = np.repeat(np.arange(n), len(after))
    luck = np.repeat(rng.normal(size=n) * 0.01, len(after))
    columns = {name: 0.01 * rng.normal(size=len(member)) for name in EXPERIMENT.units}
    return columns | {
        "arm": np.tile([*after], n),
        "member": member,
        "step": np.ones(len(member), int),
        "before": np.full(len(member), 0.1),
        "after": np.tile([*after.values()], n) + luck + 0.001 * rng.normal(size=len(member)),
    }


def said(table: dict) -> dict:
    config = {"student": {"batch": 64}, "large": 128, "rows_per_epoch": 640}
    return {c.text: c for c in alignment_claims.claims(table, {"config": config})}


LOST = "aligned part removed: part of the gain lost"


def test_an_aligned_part_counts_only_beyond_a_random_part():
    ends = dict.fromkeys(ARMS, 0.3) | {"other init": 0.1}
    causal = said(synthetic(ends | {"aligned part removed": 0.2}))
    # Half of a gain of .2, whatever the accuracy.
    np.testing.assert_allclose(causal[LOST].mean, 0.5, atol=0.01)
    assert causal[LOST].verdict == "holds"
    assert causal["random part removed: part of the gain lost"].verdict == "holds"
    rather = "aligned part removed rather than a random one: part of the gain lost"
    assert causal[rather].verdict == "holds"
    any_part = said(synthetic(ends | {"aligned part removed": 0.2, "random part removed": 0.2}))
    assert any_part[LOST].verdict != "holds"
    assert any_part[rather].verdict == "not"
    assert any_part["random part removed: part of the gain lost"].verdict == "not"


def test_at_the_first_step_many_rows_see_one_gradient_for_all_arms_of_one_start(folder):
    table = results.read_table(folder / "table.csv")
    of = lambda arm, name: table[name][(table["arm"] == arm) & (table["member"] == 0)]
    for name in ("large", "large_hidden", "large_first"):
        first = {arm: of(arm, name)[0] for arm in ARMS}
        for arm in ("aligned part removed", "random part removed", "liminal"):
            np.testing.assert_allclose(first[arm], first["imitation"], rtol=1e-4)
        assert first["other init"] != first["imitation"]
        assert (of("imitation", name) != 0).all()  # every step of TINY is the first of its window
    for name in ("cosine", "cosine_hidden"):
        assert not np.allclose(
            of("imitation", name), of("imitation", name.replace("cosine", "large"))
        )


def test_every_definition_of_the_cosine_is_held_against_the_published_number(folder):
    found = claims.of_record(results.read_record(folder / "run.json"))
    some = [c for c in found.values() if c.group == "cosine by definition"]
    assert len(some) == 2 * 3 * 2
    assert all(c.published.startswith("0.008") and "other init" in c.null for c in some)
    table = results.read_table(folder / "table.csv")
    _, values = results.curves(table, "imitation", "step", "large_first")
    expected = values[:, :10].mean()  # 640 rows in batches of 64
    c = found["cosine of first layer, 96 rows, first epoch"]
    np.testing.assert_allclose(c.mean, expected)
