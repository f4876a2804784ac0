"""The smoke preset of the theorem's experiment keeps the contract."""

import numpy as np
import pytest

from experiments import theorem as experiment
from figures import fig_theorem, style
from lab import cli, results
from lab.run import Run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    config, options = cli.parse(experiment.NAME, "", experiment.PRESETS, ["smoke"])
    data, dataset = experiment.prepare(config, options)
    with Run(tmp_path_factory.mktemp("runs"), experiment.NAME, config, dataset) as run:
        run.finish(experiment.main(config, data, run, options))
    return run.folder


def test_every_case_has_rows_for_every_member(folder):
    table = results.read_table(folder / "table.csv")
    assert list(table) == ["case", "arm", "member", "step", "at", "value"]
    assert len(set(table["case"])) == len(experiment.CASES)
    for arm in set(table["arm"]):
        assert set(table["member"][table["arm"] == arm]) == set(range(4))
    assert np.isfinite(table["value"]).all()


def test_a_member_does_not_depend_on_the_others(folder):
    rows = results.read_rows(folder / "table.csv")
    (curve,) = experiment.CASES[1](np.array([2]))
    before = [row["value"] for row in rows if row["arm"] == curve.arm and row["member"] == 2]
    np.testing.assert_allclose(curve.values[0], before, rtol=1e-9)


def test_the_figure_is_drawn_from_the_table_alone_and_the_same_each_time(folder, tmp_path):
    first = style.draw(fig_theorem.figure, folder)
    again = style.draw_from(
        fig_theorem.figure, folder / "table.csv", folder / "run.json", tmp_path / "figure"
    )
    for a, b in zip(first, again, strict=True):
        assert a.read_bytes() == b.read_bytes()
