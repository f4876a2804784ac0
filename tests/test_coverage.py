"""The first-step predictor: what is drawn, what is measured, and that a killed run continues."""

import re
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.coverage import EXPERIMENT, PRESETS
from lab import ensemble, stats
from lab.errors import LabError
from lab.mnist import epochs, protocol
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Images
from lab.runs import results
from lab.runs.run import Run
from tests import process
from tests.plain import cosine, divergence, flat
from theory import coverage, predictors

SMALL = replace(
    PRESETS["smoke"], members="9", widths=(16, 24), rows_per_epoch=640, dataset="digits"
)
RANGES = (10, (3, 4), (1e-4, 1e-3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return process.run_in(tmp_path_factory.mktemp("runs"), EXPERIMENT, SMALL, group=1)


def test_a_pair_is_a_function_of_its_number_and_within_the_ranges():
    many = coverage.draw(0, np.arange(400), *RANGES)
    one = coverage.draw(0, np.array([7]), *RANGES)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[7], b[0]), many, one)
    assert set(many.knobs.n_live_aux) == set(range(2, 11))
    assert set(many.teacher_epochs) == {1, 2, 3}
    assert set(many.student_epochs) == {1, 2, 3, 4}
    assert 1e-4 <= many.knobs.student_rate.min() < many.knobs.student_rate.max() <= 1e-3
    assert 0.27 < np.mean(many.mixture == 0) < 0.40
    assert 0.27 < np.mean(many.mixture == 1) < 0.40


def test_pairs_of_one_recipe_differ_in_their_start_alone():
    alike = coverage.of_one_recipe(np.arange(40))
    pairs = coverage.draw(0, np.arange(40), *RANGES)
    assert alike.sum() == 10
    np.testing.assert_allclose(pairs.knobs.student_rate[alike], np.sqrt(1e-4 * 1e-3), rtol=1e-6)
    assert len(set(pairs.knobs.student_rate[~alike])) == 30
    assert len(set(pairs.mixture[alike])) > 2
    assert set(pairs.knobs.n_live_aux[alike]) == {10}
    assert set(pairs.teacher_epochs[alike]) == {3}
    assert set(pairs.student_epochs[alike]) == {4}


def test_every_pair_has_one_row_of_numbers(folder):
    rows = results.read_rows(folder / "table.csv")
    assert [row["member"] for row in rows] == list(range(9))
    assert [row["width"] for row in rows] == [16, 24] * 4 + [16]
    assert [row["recipe"] == "one" for row in rows] == [m % 4 == 3 for m in range(9)]
    for row in rows:
        assert all(np.isfinite(v) for k, v in row.items() if k not in ("arm", "recipe"))
        assert all(-1 <= v <= 1 for k, v in row.items() if k.startswith("coverage"))
    shared = [row["coverage"] for row in rows if row["arm"] == "shared init"]
    assert min(shared) > 0  # measured: .01 to .1


def test_every_number_of_a_pair_is_what_its_name_says(digits):
    ranges = (3, (2, 2), (1e-3, 2e-3))
    chosen = replace(SMALL, net=MLP(hidden=(6, 5), n_aux=3), rows_per_epoch=960)
    images, test = (
        Images(jnp.asarray(x), jnp.asarray(labels))
        for x, labels in (
            (digits.train_images, digits.train_labels),
            (digits.test_images, digits.test_labels),
        )
    )
    member, drawn = jnp.uint32(1), coverage.draw(0, np.array([1]), *ranges)
    pair = jax.tree.map(lambda x: jnp.asarray(x[0]), drawn).replace(mixture=jnp.float32(0.25))
    found = jax.jit(partial(coverage.outcome, chosen))(images, test, member, pair)

    knobs, reference = pair.knobs, protocol.reference(chosen, member)
    state = ensemble.start(reference, chosen.teacher.direction)
    for e in range(int(pair.teacher_epochs)):
        state, _ = epochs.teacher_epoch(chosen, images, jnp.int32(e), member, knobs, state)
    teacher, other = state.params, protocol.reference(chosen, member + 1)
    start = jax.tree.map(lambda a, b: (1 - 0.25**2) ** 0.5 * a + 0.25 * b, reference, other)
    live = slice(10, 10 + int(knobs.n_live_aux))

    def loss(params, n):
        x = protocol.inputs(chosen, images, 0, member, jnp.arange(n))
        return jnp.mean(divergence(*(chosen.logits(p, x)[:, live] for p in (teacher, params))))

    less = lambda a, b: flat(a) - flat(b)
    way, g = less(teacher, reference), jax.grad(loss)(start, 64)
    # Adam's first step, per unit of rate.
    step = jax.tree.map(lambda g: g / (jnp.abs(g) + chosen.student.eps), g)
    layers = lambda tree: {k: tree[k] for k in ("dense_0", "dense_1")}
    by_hand = {
        "coverage": cosine(-flat(step), way),
        "coverage_gradient": cosine(-flat(g), way),
        "coverage_hidden": cosine(-flat(layers(step)), less(layers(teacher), layers(reference))),
        "coverage_batches": cosine(-flat(jax.grad(loss)(start, 640)), way),
        "projected_update": -float(knobs.student_rate) * flat(step) @ way / (way @ way),
        "loss": loss(start, 64),
        "displacement": np.linalg.norm(way),
        "start": epochs.accuracy(chosen, test, start),
        "teacher": epochs.accuracy(chosen, test, teacher),
    }
    for name, value in by_hand.items():
        assert getattr(found, name) == pytest.approx(float(value), rel=2e-3, abs=1e-6), name
    assert len({round(float(v), 4) for k, v in by_hand.items() if k.startswith("cov")}) == 4
    # Along the way: of an epoch and of ten steps of it, by the parts that both cover.
    target = epochs.targets(chosen, images, jnp.int32(0), member, teacher)
    begun = {"student_aux": ensemble.start(start, chosen.student.direction)}
    args = (images, jnp.int32(0), member, knobs)
    whole, _ = epochs.student_epoch(chosen, coverage.ARMS, *args, target, begun)
    short = replace(chosen, rows_per_epoch=640)
    ten, _ = epochs.student_epoch(short, coverage.ARMS, *args, target[:640], begun)
    for name, after in (("epoch", whole), ("steps", ten)):
        gone = less(after["student_aux"].params, start)
        assert getattr(found, f"coverage_{name}") == pytest.approx(cosine(gone, way), rel=1e-3)
        part = gone @ way / (way @ way)
        assert getattr(found, f"projected_{name}") == pytest.approx(part, rel=1e-3)


def test_transfer_is_of_the_teachers_gain_from_the_students_own_start(folder):
    for row in results.read_rows(folder / "table.csv"):
        gain = row["teacher"] - row["start"]
        assert row["transfer"] == pytest.approx((row["student"] - row["start"]) / gain)


class StoppedError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("saves", [1, 6])
def test_a_run_stopped_after_any_group_continues_to_the_same_rows(
    saves, folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("SUBLIMINAL_CHECKPOINT_SECONDS", "0")
    whole = Run.save
    left = iter(range(saves))

    def stopping(*args, **kwargs):
        whole(*args, **kwargs)
        if next(left) == saves - 1:
            raise StoppedError

    monkeypatch.setattr(Run, "save", stopping)
    with pytest.raises(StoppedError):
        process.run_in(tmp_path, EXPERIMENT, SMALL, group=1)
    monkeypatch.setattr(Run, "save", whole)
    again = process.run_in(tmp_path, EXPERIMENT, SMALL, group=1)
    assert results.read_rows(again / "table.csv") == results.read_rows(folder / "table.csv")


def test_the_figure_is_drawn_from_the_table_alone_and_the_same_each_time(folder, tmp_path):
    assert process.drawn_again(folder, EXPERIMENT, tmp_path)


def test_ten_steps_are_the_first_epoch_where_an_epoch_has_ten(folder):
    # SMALL: 640 rows in batches of 64.
    for row in results.read_rows(folder / "table.csv"):
        for of in ("coverage", "projected"):
            np.testing.assert_allclose(row[f"{of}_steps"], row[f"{of}_epoch"], rtol=1e-2)
        assert row["projected_update"] * row["coverage"] > 0


def synthetic(n: int, transfer) -> dict:
    """A table of pairs whose transfer is a function of (mixture, coverage, noise)."""
    rng = np.random.default_rng(0)
    mixture = np.clip(3 * rng.uniform(size=n) - 1, 0, 1)
    own, noise = rng.normal(size=(2, n))
    names = [*coverage.UNITS, "learning_rate", "n_live_aux", "teacher_epochs", "student_epochs"]
    table = {name: rng.uniform(size=n) for name in [*names, "width"]}
    kinds = np.where(mixture == 0, "shared init", "mixed init")
    passed = transfer(mixture, own, noise)
    return table | {
        "arm": np.where(mixture == 1, "other init", kinds),
        "recipe": np.where(np.arange(n) % 4 == 3, "one", "drawn"),
        "mixture": mixture,
        "coverage": 1 - mixture + 0.1 * own,
        "coverage_gradient": 1 - mixture + 0.1 * own,
        "start": np.full(n, 0.1),
        "student": 0.1 + 0.8 * passed,
        "transfer": passed,
    }


def said(table: dict) -> dict[str, str]:
    """The verdict of every claim about coverage of the first update."""
    found = predictors.claims(table, {})
    assert len({c.text for c in found}) == len(found)
    return {c.text: c.verdict for c in found if predictors.FIRST in c.text}


FIRST, BASELINE = predictors.FIRST, predictors.BASELINE


@pytest.fixture
def few_draws(monkeypatch):
    monkeypatch.setattr(predictors, "DRAWS", 60)


def test_what_the_initialisation_explains_is_not_credited_to_coverage(few_draws):
    verdicts = said(synthetic(400, lambda mixture, own, noise: 0.3 * (1 - mixture) + 0.05 * noise))
    assert "holds" not in verdicts.values()
    assert verdicts[f"all pairs: {FIRST}, Spearman"] == "not"
    assert verdicts[f"all pairs: {FIRST} minus {BASELINE}, Spearman"] == "not"
    assert verdicts[f"all pairs: {FIRST} given {BASELINE}, partial Spearman"] == "not"
    assert verdicts[f"shared init: {FIRST}, Spearman"] == "not"


def test_a_coverage_that_predicts_within_one_initialisation_is_said_to(few_draws):
    verdicts = said(
        synthetic(400, lambda mixture, own, noise: 0.3 - 0.1 * mixture + 0.1 * own + 0.02 * noise)
    )
    for text in (
        f"all pairs: {FIRST}, Spearman",
        f"all pairs: {FIRST} minus {BASELINE}, Spearman",
        f"all pairs: {FIRST} given {BASELINE}, partial Spearman",
        f"shared init: {FIRST}, Spearman",
        f"other init: {FIRST}, Spearman",
        f"within shared init: {FIRST}, Spearman",
        f"within shared init: {FIRST} given the recipe, partial Spearman",
    ):
        assert verdicts[text] == "holds", text


def test_a_difference_from_the_baseline_is_that_of_the_same_pairs(few_draws):
    table = synthetic(200, lambda mixture, own, noise: 0.3 * (1 - mixture) + 0.1 * own)
    drawn = results.only(table, table["recipe"] == "drawn")
    found = {c.text: c for c in predictors.claims(table, {})}
    both = [found[f"all pairs: {what}, Spearman"] for what in (FIRST, BASELINE)]
    more = found[f"all pairs: {FIRST} minus {BASELINE}, Spearman"]
    assert both[0].mean == stats.spearman(drawn["coverage"], drawn["transfer"])
    assert both[1].mean == stats.spearman(-drawn["mixture"], drawn["transfer"])
    np.testing.assert_allclose(more.mean, both[0].mean - both[1].mean)
    # Paired: much of what the two have in common drops out.
    assert more.high - more.low < sum(c.high - c.low for c in both)
    assert both[0].published == "0.95"


def test_every_predictor_of_a_table_is_reported(few_draws):
    noise = synthetic(100, lambda mixture, own, noise: noise)
    found = {c.text: c.verdict for c in predictors.claims(noise, {})}
    every = predictors.BEFORE | predictors.EARLY | predictors.KNOBS | predictors.RECIPE
    for label in every.values():
        assert found[f"within shared init: {label}, Spearman"] != "holds"
    measured = set(coverage.UNITS) - {"start", "student", "transfer"}
    assert measured <= set(every)
    # By luck the best of many reaches more than one does.
    by_luck = lambda text: float(re.search(r" to ([0-9.]+)\)", claims[text].null)[1])
    claims = {c.text: c for c in predictors.claims(noise, {})}
    one = by_luck(f"shared init: {FIRST}, Spearman")
    best = by_luck(f"within shared init: {FIRST}, Spearman")
    assert best > 1.3 * one


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slowest": 1.0}, "slowest"),
        ({"widths": ()}, "widths"),
        ({"widths": (16, 0)}, "widths"),
        ({"net": MLP(n_aux=1)}, "net.n_aux"),
        ({"teacher": replace(SMALL.teacher, epochs=0)}, "teacher.epochs"),
    ],
)
def test_impossible_ranges_are_refused_by_name(change, field):
    with pytest.raises(LabError, match=f"^{field}: "):
        replace(SMALL, **change)


def test_a_student_without_epochs_is_refused_by_name():
    with pytest.raises(LabError, match=r"student\.epochs: "):
        replace(SMALL, student=replace(SMALL.student, epochs=0))
