"""Rows and epochs: what each dose trains, and what a table of them says."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from experiments import lm_dose
from experiments.lm_dose import EXPERIMENT, PRESETS, TEXTS, says
from lab.errors import LabError
from lab.runs import results
from lab.runs.cells import Cell
from tests.tables import GAINS, beside, table

OWN = {"24000x1": 3.0, "6000x1": 2.0, "1500x1": 1.0, "6000x4": 2.25, "1500x16": 1.0}


def of_doses(own=OWN) -> results.Table:
    """A table whose students gain what is known of each dose, of their own trait."""
    gains = {name: GAINS | {"student_trait": (v, 0.0, 0.0)} for name, v in own.items()}
    return beside("dose", {name: table(gains=gains[name]) for name in own})


def test_doses_are_worked_by_hand():
    found = {c.text: c for c in says(of_doses(), {})}
    for dose, value in OWN.items():
        assert found[f"{TEXTS[dose]} (15 of 15 above)"].mean == pytest.approx(value)
        if value < 3:
            more = found[f"{TEXTS[dose]}, more than the base"]
            assert more.mean == pytest.approx(value - 3) and more.verdict == "not"
    # From 1,500 to 24,000 rows there are four doublings; what is read again is left out.
    assert found["twice the rows, read once, add"].mean == pytest.approx(0.5)
    assert len(found) == 15
    assert TEXTS["1500x16"] == "1,500 rows, epochs: 16"


def test_of_a_single_dose_no_slope_is_said():
    assert not [c for c in says(of_doses({"1500x1": 1.0}), {}) if "twice" in c.text]


def test_a_dose_changes_rows_and_epochs_alone(monkeypatch):
    chains = []
    kept = lambda job, cell, chain, *_: chains.append(chain) or []
    monkeypatch.setattr(lm_dose.setup, "measure_one", kept)
    job = SimpleNamespace(config=PRESETS["default"])
    lm_dose.rows(job, [Cell(3, (("dose", name),)) for name in OWN])
    usual = chains[0]
    for name, chain in zip(OWN, chains, strict=True):
        n_rows, epochs = (int(n) for n in name.split("x"))
        assert (chain.n_rows, chain.student.epochs) == (n_rows, epochs)
        student = replace(chain.student, epochs=usual.student.epochs)
        assert replace(chain, n_rows=usual.n_rows, student=student) == usual
    long = [chain for chain in chains if chain.n_rows * chain.student.epochs == 24_000]
    steps = [chain.student.n_steps(chain.n_rows) for chain in long]
    assert len(long) == 3 and max(steps) - min(steps) <= 0.03 * max(steps)


def test_rows_and_epochs_are_set_by_doses_alone():
    with pytest.raises(LabError, match="doses say both"):
        replace(PRESETS["default"], n_rows=100)
    with pytest.raises(LabError, match="doses say both"):
        replace(PRESETS["default"], student=replace(PRESETS["default"].student, epochs=2))


def test_the_figure_has_a_column_for_each_dose_of_the_table():
    record = {
        "config": {"teacher": "finetuned", "n_rows": 24_000, "members": "5"},
        "command": "", "dataset": {"name": "world"}, "claims": [],
    }  # fmt: skip
    drawn = EXPERIMENT.draw.figure(of_doses(), record)
    (axes,) = drawn.axes
    said = [tick.get_text().replace("\n", " ") for tick in axes.get_xticklabels()]
    assert said[0] == "1,500 rows, read 1x" and said[-1] == "1,500 rows, read 16x"
    assert "24,000 rows of" not in "".join(text.get_text() for text in drawn.texts)
