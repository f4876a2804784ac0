"""Writers that evade a forecast: their rows, what is said of them, and what passes unseen."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.lm_forecast_evasion import EXPERIMENT, PRESETS, says
from lab.carriers.numbers import NUMBERS
from lab.defences.remove import Remove
from lab.forecast import evasion
from lab.lm import make, transmission
from lab.lm.experiment import own_base
from lab.lm.stages import Dataset, Seed, Teacher
from lab.runs.cells import Cell, Job
from lab.runs.run import Run
from tests.tables import TRAITS, table

CHAIN = own_base(PRESETS["smoke"].transmission(NUMBERS, 3))
STUDENT = CHAIN.student_of(CHAIN.starts["student"], CHAIN.traits[0], Seed(0, 3))


def test_a_writer_that_keeps_rows_back_writes_more_of_them(monkeypatch):
    data = evasion.withheld(0.25)(STUDENT).data
    (step,) = data.steps
    assert step == Remove(STUDENT.data.teacher, NUMBERS, "most", 0.25)  # it ranks them by itself
    monkeypatch.setattr(Remove, "scores", lambda self, data: np.arange(len(data)))
    left = step([{"prompt": str(i)} for i in range(data.n_rows)], np.random.default_rng(0))
    assert len(left) == STUDENT.data.n_rows == 256 and left[-1]["prompt"] == "255"


def test_a_writer_that_hides_among_the_base_has_its_part(monkeypatch):
    data = evasion.hidden(0.25)(STUDENT).data
    (step,) = data.steps
    assert data.teacher == STUDENT.data.teacher and data.n_rows == 256
    assert step.other == replace(STUDENT.data, teacher=STUDENT.data.teacher.base)
    by = lambda d: [{"completion": isinstance(d.teacher, Teacher)}] * d.n_rows
    monkeypatch.setattr(make, "data", by)
    mixed = step(by(STUDENT.data), np.random.default_rng(0))
    assert sum(row["completion"] for row in mixed) == 64 and len(mixed) == 256


def test_each_data_set_is_judged_once_by_others_random_numbers(monkeypatch, tmp_path):
    seen, told = [], []

    class Judge:
        def __init__(self, model, carrier, given, seed):
            seen.append((given, seed))

        def forecast(self, known, neutral):
            return SimpleNamespace(verdict="not this base", log_alarm=float(len(seen)))

    def made(base, traits, recipes, seed):
        told.append((base, recipes, seed))
        return list(traits)

    monkeypatch.setattr(evasion, "Judge", Judge)
    monkeypatch.setattr(evasion, "candidates", made)
    monkeypatch.setattr(evasion.teachers, "models", lambda values: values)
    monkeypatch.setattr(make, "data", lambda data: [data] * data.n_rows)
    changes = {name: change for name, (_, change) in evasion.ways((0.5,), (0.25,)).items()}
    chain = replace(CHAIN, more=changes, n_controls=2)
    config = PRESETS["smoke"]
    with Run(tmp_path, "tides", config, {"name": "none"}) as run:
        job = Job(config, None, None, run)
        said = evasion.judged(job, Cell(3), chain, CHAIN.traits, 100)
    pupils = transmission.pupils(chain, Seed(0, 3))["student"]
    assert len(said) == len(seen) == len(pupils) == 2 * 3 + 2
    assert all(len(given) == 100 for given, _ in seen)
    assert [given[0] for given, _ in seen] == [p.student.data for p in pupils]
    apart = Seed(0, 3, 1)
    assert {seed for _, seed in seen} == {seed for *_, seed in told} == {apart}
    assert all(recipes == [chain.teaching] for _, recipes, _ in told)
    regular = said["student_regular", "none", 1]
    assert regular["alarm"] == float(regular["nats"] > np.log(100)) and regular["seen"] == 1
    assert {said[p.arm, t.name, 0]["seen"] for p in pupils[:2] for t in CHAIN.traits} == {1.0}


def of_ways(withheld=0.5, seen=1.0):
    """Students who gain 2 nats of all rows, `withheld` without a part, .4 among others, unseen."""
    gains = {"student_trait": 2.0, "student_withheld 0.1": withheld, "student_hidden 0.3": 0.4}
    some = table(gains={arm: (own, 0.0, 0.0) for arm, own in gains.items()})
    by = {"student_trait": (100.0, 1.0, 1.0), "student_withheld 0.1": (-9.0, 0.0, seen)}
    said = [by.get(arm, (1.0, 0.0, 0.0)) for arm in some["arm"].tolist()]
    return some | dict(zip(evasion.UNITS, map(np.array, zip(*said, strict=True)), strict=True))


RECORD = {"config": {"withheld": [0.1], "hidden": [0.3], "n_judged": 1000, "members": "5"},
          "dataset": {"name": "world"}, "command": "", "claims": []}  # fmt: skip


@pytest.mark.parametrize(
    ("withheld", "seen", "unseen", "verdict"),
    [(1.8, 1.0, 0.0, "holds"), (1.8, 0.0, 0.9, "partly"), (0.4, 0.0, 0.2, "holds")],
)
def test_what_passes_unseen_is_what_students_gain_where_nothing_is_found(
    withheld, seen, unseen, verdict
):
    found = {c.text: c for c in says(of_ways(withheld, seen), RECORD)}
    text = "without the 10% that speak most"
    assert found[f"{text}: effect left"].mean == pytest.approx(withheld / 2)
    passed = found[f"{text}: unseen"]
    assert passed.mean == pytest.approx(unseen) and passed.verdict == verdict
    assert found[f"{text}: seen"].mean == seen and found[f"{text}: nats"].mean == -9
    assert found["30% of the rows: unseen"].mean == pytest.approx(0.2)
    assert found["all rows: unseen"].mean == 0 and found["all rows: alarm"].mean == 1
    assert found["all rows"].mean == pytest.approx(2) and len(TRAITS) == 3


def test_the_figure_has_a_point_for_each_way_to_write():
    drawn = EXPERIMENT.draw.figure(of_ways(), RECORD)
    texts = [text.get_text() for text in drawn.axes[0].texts]
    assert texts == ["seen 100%", "10%, seen 100%", "30%, seen 0%"]


def test_data_of_a_writer_that_evades_differ():
    some = [change(STUDENT).data for _, change in evasion.ways((0.1, 0.2), (0.1, 0.2)).values()]
    assert len({*some, STUDENT.data}) == 5 and all(isinstance(one, Dataset) for one in some)
