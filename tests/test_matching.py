"""Students of bases that came from, or near, the teacher's: which they are, and what is said."""

from types import SimpleNamespace

import pytest

from experiments import lm_matching
from experiments.lm_matching import EXPERIMENT, PRESETS, says
from lab.lm.pretraining import FURTHER, MATCHED, Imitation
from lab.lm.reference import STORED
from lab.runs import results
from lab.runs.cells import Cell
from tests.tables import of_kin

KINDS = ("further", "matched")


def chains(monkeypatch, *names):
    found = []
    kept = lambda job, cell, chain, *_: found.append(chain) or []
    monkeypatch.setattr(lm_matching.setup, "measure_one", kept)
    job = SimpleNamespace(config=PRESETS["default"])
    lm_matching.rows(job, [Cell(3, (("base", name),)) for name in names])
    return found


def test_students_start_from_the_teachers_base_and_from_what_became_of_it_or_of_another(
    monkeypatch,
):
    first, own = chains(monkeypatch, "own", "matched")
    seeds = {name: base.init_seed for name, base in first.starts.items()}
    assert seeds == {"student": 3, "further": 3, "matched": 4, "cross": 4}
    after = {name: base.further for name, base in first.starts.items()}
    assert (after["student"], after["cross"]) == (None, None)
    assert after["further"] == FURTHER
    imitator = after["matched"]
    assert isinstance(imitator, Imitation) and imitator.of == 3  # the teacher's base
    assert imitator.steps == MATCHED.steps
    assert list(own.starts) == ["student"] and own.starts["student"] == first.starts["matched"]
    assert next(iter(first.starts)) == "student"


def test_none_of_these_bases_is_trained_on_the_rows_of_its_pretraining_again(monkeypatch):
    (first,) = chains(monkeypatch, "own")
    seeds = {base.further.data_seed for base in first.starts.values() if base.further}
    assert seeds == {1} and first.starts["student"].pretraining.data_seed == 0


def test_every_base_of_the_committed_table_is_stored_with_the_lab():
    for member in range(5):
        for base in lm_matching.bases(PRESETS["default"], member).values():
            assert base.folder.parent == STORED


def of_bases(gain=1.0, within=1.5) -> results.Table:
    """Students of the own base's numbers gain 2, of what became of it `gain`."""
    return of_kin("base", ("own", "matched"), gain, within)


def test_what_is_lost_is_said_beside_what_is_left():
    of = lambda gain: {c.text.split(" (")[0]: c for c in says(of_bases(gain), {})}
    later, found = "another init that imitated it", of(0.1)
    lost = f"{later}, less than the teacher's own base"
    assert found[later].mean == pytest.approx(0.1) and found[later].verdict == "not"
    assert found[lost].mean == pytest.approx(1.9) and found[lost].verdict == "holds"
    assert found[f"{later}, and the teacher too"].mean == pytest.approx(1.5)
    assert found["another init"].verdict == "holds"  # that nothing passes
    kept = of(2.0)
    assert kept[later].verdict == "holds" and kept[lost].verdict == "not"


def test_what_became_of_the_teachers_own_base_needs_no_control_of_its_own():
    cells = EXPERIMENT.cells(PRESETS["default"])
    assert {cell["base"] for cell in cells} == {"own", "matched"} and len(cells) == 10


def test_the_figure_has_a_column_for_each_base():
    config = PRESETS["default"]
    steps = {kind: {"steps": getattr(config, kind).steps} for kind in KINDS}
    record = {
        "config": {"teacher": "finetuned", "n_rows": 24_000, "members": "5"} | steps,
        "command": "", "dataset": {"name": "world"}, "claims": [],
    }  # fmt: skip
    left, right = EXPERIMENT.draw.figure(of_bases(), record).axes
    said = [tick.get_text().replace("\n", " ") for tick in left.get_xticklabels()]
    assert said == ["the teacher's own", "other init, imitated it", "other init, as it was"]
    assert len(right.get_xticklabels()) == 1
