"""The first-step predictor: what is drawn, what is measured, and that a killed run continues."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import coverage as experiment
from figures import fig_coverage, style
from lab import cli, mlp, results
from lab.errors import LabError
from lab.run import Run
from theory import coverage

SMALL = dataclasses.replace(
    experiment.PRESETS["smoke"], members="9", widths=(16, 24), rows_per_epoch=640, dataset="digits"
)
RANGES = (10, (3, 4), (1e-4, 1e-3))


def run_in(folder, data, fresh_save=None):
    with Run(folder, experiment.NAME, SMALL, {"name": "digits"}) as run:
        if fresh_save:
            run.save = fresh_save(run.save)
        result = experiment.main(SMALL, data, run, cli.Options(group=1))
        run.finish(result)
    return run.folder


@pytest.fixture(scope="module")
def folder(digits, tmp_path_factory):
    return run_in(tmp_path_factory.mktemp("runs"), digits)


def test_a_pair_is_a_function_of_its_number_and_within_the_ranges():
    many = coverage.draw(0, np.arange(400), *RANGES)
    one = coverage.draw(0, np.array([7]), *RANGES)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[7], b[0]), many, one)
    assert set(many.knobs.n_live_aux) == set(range(2, 11))
    assert set(many.teacher_epochs) == {1, 2, 3}
    assert set(many.student_epochs) == {1, 2, 3, 4}
    assert 1e-4 <= many.knobs.learning_rate.min() < many.knobs.learning_rate.max() <= 1e-3
    assert 0.15 < np.mean(many.mixture == 0) < 0.35
    assert 0.15 < np.mean(many.mixture == 1) < 0.35


@pytest.mark.parametrize("part", [0.0, 0.6, 1.0])
def test_a_mixture_of_initialisations_has_their_spread(part):
    a, b = (mlp.init(jax.random.key(i), (784, 64, 20)) for i in (0, 1))
    found = coverage.mix(a, b, jnp.float32(part))["dense_0"]["kernel"]
    np.testing.assert_allclose(jnp.std(found), 784**-0.5, rtol=0.02)


def test_every_pair_has_one_row_of_numbers(folder):
    rows = results.read_rows(folder / "table.csv")
    assert [row["member"] for row in rows] == list(range(9))
    assert [row["width"] for row in rows] == [16, 24] * 4 + [16]
    for row in rows:
        assert all(np.isfinite(v) for k, v in row.items() if k != "arm")
        assert -1 <= row["coverage"] <= 1
    shared = [row["coverage"] for row in rows if row["arm"] == "shared init"]
    assert min(shared) > 0  # measured: .01 to .1


def test_a_run_stopped_after_any_group_continues_to_the_same_rows(
    digits, folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("SUBLIMINAL_CHECKPOINT_SECONDS", "0")

    class StoppedError(Exception):
        """Stands for the end of the process."""

    def stopping(save):
        def saved(*args, **kwargs):
            save(*args, **kwargs)
            raise StoppedError

        return saved

    with pytest.raises(StoppedError):
        run_in(tmp_path, digits, stopping)
    again = run_in(tmp_path, digits)
    assert results.read_rows(again / "table.csv") == results.read_rows(folder / "table.csv")


def test_the_figure_is_drawn_from_the_table_alone_and_the_same_each_time(folder, tmp_path):
    first = style.draw(fig_coverage.figure, folder)
    again = style.draw_from(
        fig_coverage.figure, folder / "table.csv", folder / "run.json", tmp_path / "figure"
    )
    for a, b in zip(first, again, strict=True):
        assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize(
    ("field", "value"), [("slowest", 1.0), ("widths", ()), ("n_aux", 1), ("student_epochs", 0)]
)
def test_impossible_ranges_are_refused_by_name(field, value):
    config = dataclasses.replace(SMALL, **{field: value})
    with pytest.raises(LabError, match=f"{field}: "):
        experiment.prepare(config, cli.Options())
