"""The first-step predictor: what is drawn, what is measured, and that a killed run continues."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from experiments.coverage import EXPERIMENT, PRESETS
from lab import stats
from lab.errors import LabError
from lab.mnist.mlp import MLP
from lab.runs import claims, results
from lab.runs.experiment import Options
from lab.runs.run import Run
from tests import process
from theory import coverage

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
    assert 0.15 < np.mean(many.mixture == 0) < 0.35
    assert 0.15 < np.mean(many.mixture == 1) < 0.35


def test_every_pair_has_one_row_of_numbers(folder):
    rows = results.read_rows(folder / "table.csv")
    assert [row["member"] for row in rows] == list(range(9))
    assert [row["width"] for row in rows] == [16, 24] * 4 + [16]
    for row in rows:
        assert all(np.isfinite(v) for k, v in row.items() if k != "arm")
        assert -1 <= row["coverage"] <= 1
    shared = [row["coverage"] for row in rows if row["arm"] == "shared init"]
    assert min(shared) > 0  # measured: .01 to .1


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


def test_both_coverages_are_said_to_order_pairs_or_not(folder):
    found = claims.of_record(results.read_json(folder / "run.json"))
    assert len(found) == 4
    table = results.read_table(folder / "table.csv")
    rank = next(c for text, c in found.items() if "update and transfer" in text)
    assert rank.mean == stats.spearman(table["coverage"], table["transfer"])
    assert rank.published == "0.95"


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
    config = replace(SMALL, **change)
    with pytest.raises(LabError, match=f"{field}: "):
        EXPERIMENT.prepare(config, Options())


def test_a_student_without_epochs_is_refused_by_name():
    with pytest.raises(LabError, match=r"student\.epochs: "):
        replace(SMALL, student=replace(SMALL.student, epochs=0))
