"""The smoke preset of the theorem's experiment keeps the contract."""

import numpy as np
import pytest

from experiments.theorem import CASES, EXPERIMENT, PRESETS
from lab.runs import claims, results
from tests import process


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return process.run_in(tmp_path_factory.mktemp("runs"), EXPERIMENT, PRESETS["smoke"])


def test_every_case_has_rows_for_every_member(folder):
    table = results.read_table(folder / "table.csv")
    assert list(table) == ["case", "arm", "member", "step", "at", "value"]
    assert len(set(table["case"])) == len(CASES)
    for arm in set(table["arm"]):
        assert set(table["member"][table["arm"] == arm]) == set(range(4))
    assert np.isfinite(table["value"]).all()


def test_a_member_does_not_depend_on_the_others(folder):
    rows = results.read_rows(folder / "table.csv")
    (curve,) = CASES[1](np.array([2]))
    before = [row["value"] for row in rows if row["arm"] == curve.arm and row["member"] == 2]
    np.testing.assert_allclose(curve.values[0], before, rtol=1e-9)


def test_the_figure_is_drawn_from_the_table_alone_and_the_same_each_time(folder, tmp_path):
    assert process.drawn_again(folder, EXPERIMENT, tmp_path)


def test_a_gradient_step_is_said_never_to_be_pushed_away_and_of_others_no_verdict_is_given(folder):
    gradient, adam, sign = claims.of_record(results.read_json(folder / "run.json")).values()
    assert gradient.verdict == "holds"
    assert "(0% of members below 0)" in gradient.text
    assert adam.verdict == sign.verdict == ""
