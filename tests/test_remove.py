"""A forecast as a defence: which rows go, by whose judgement, and what is claimed of the rest."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import lm_forecast_defence
from experiments.lm_forecast_defence import EXPERIMENT, PRESETS, TEXTS, says
from lab.carriers.numbers import NUMBERS
from lab.defences.remove import Remove
from lab.errors import LabError
from lab.forecast.removal import without
from lab.lm import make, transmission
from lab.lm.experiment import own_base
from lab.lm.stages import Dataset, Seed, Teacher
from lab.runs.cells import Cell
from tests.tables import GAINS, table

CHAIN = own_base(PRESETS["smoke"].transmission(NUMBERS, 3))
OWL = Teacher(CHAIN.starts["student"], CHAIN.traits[0], CHAIN.teaching, Seed(0, 3))
ROWS = [{"prompt": str(i), "completion": str(i)} for i in range(10)]
SCORES = np.array([3.0, -1, 4, 1, -5, 9, 2, 6, 5, 0])
rng = lambda: np.random.default_rng(0)


def test_rows_that_are_left_by_several_removals_have_names_of_their_own():
    drawn = Dataset(OWL, NUMBERS, 10, Seed(0, 3))
    some = [replace(drawn, steps=(Remove(OWL, NUMBERS, "most", part),)) for part in (0.1, 0.2)]
    found = [data.named(f"{i:08}abc") for i, data in enumerate(some)]
    assert found == [f"{OWL.trait.name}_remove-0000000{i}" for i in (0, 1)]


def test_rows_that_speak_most_or_least_are_removed_and_the_others_keep_their_order(monkeypatch):
    monkeypatch.setattr(Remove, "scores", lambda self, data: SCORES)
    left = lambda which, part: [
        int(row["prompt"]) for row in Remove(OWL, NUMBERS, which, part)(ROWS, rng())
    ]
    assert left("most", 0.3) == [0, 1, 2, 3, 4, 6, 9]
    assert left("least", 0.2) == [0, 2, 3, 5, 6, 7, 8, 9]
    assert len(left("random", 0.3)) == 7 and left("random", 0.3) == sorted(left("random", 0.3))
    assert left("most", 0.0) == list(range(10))
    with pytest.raises(LabError, match="leaves none"):
        left("most", 0.99)
    with pytest.raises(LabError, match="outside"):
        Remove(OWL, NUMBERS, "most", 1.0)


def test_a_teachers_own_rows_speak_for_it_more_than_the_bases():
    step = Remove(OWL, NUMBERS, "most", 0.1)
    of = lambda writer: step.scores(make.data(Dataset(writer, NUMBERS, 400, Seed(0, 3, 5))))
    own, base = of(OWL), of(OWL.base)
    spread = np.sqrt((own.var() + base.var()) / 400)
    assert own.mean() - base.mean() > 5 * spread and base.mean() < 0


def test_students_lose_rows_by_a_teacher_that_did_not_write_them():
    student = CHAIN.student_of(CHAIN.starts["student"], CHAIN.traits[0], Seed(0, 3))
    (step,) = without("most", 0.25, CHAIN.traits)(student).data.steps
    (other,) = without("other", 0.25, CHAIN.traits)(student).data.steps
    assert (step.which, step.part) == (other.which, other.part) == ("most", 0.25)
    assert other.teacher.trait == CHAIN.traits[1] and step.teacher.trait == CHAIN.traits[0]
    assert without("least", 0.25, CHAIN.traits)(student).data.steps[0].which == "least"
    assert step.teacher.trait == student.data.teacher.trait
    assert step.teacher.seed != student.data.teacher.seed


def test_every_part_and_choice_is_an_arm(monkeypatch):
    chains = []
    kept = lambda job, cell, chain: chains.append(chain) or []
    monkeypatch.setattr(lm_forecast_defence.setup, "measure_one", kept)
    lm_forecast_defence.rows(SimpleNamespace(config=PRESETS["smoke"]), [Cell(3)])
    pupils = transmission.pupils(chains[0], Seed(0, 3))["student"]
    arms = [p.arm for p in pupils if p.student.data.steps]
    assert arms == [f"student_{which} 0.5" for which in TEXTS for _ in CHAIN.traits]


def of_parts(most):
    """Students who gain 2 nats of all rows, 1.5 without a random half, `most` without the other."""
    gains = {"most": most, "random": 1.5, "least": 2.5}
    arms = {f"student_{which} 0.5": (value, 0.0, 0.0) for which, value in gains.items()}
    arms["student_other 0.5"] = (1.75, -0.3, -0.6)
    some = {"teacher": GAINS["teacher"], "student_trait": (2.0, 0.0, 0.0), **arms}
    return table(gains=some, without=("cross_regular",))


@pytest.mark.parametrize(("most", "verdict"), [(0.2, "holds"), (1.0, "partly"), (1.6, "not")])
def test_what_is_left_is_beside_what_random_rows_leave(most, verdict):
    found = {c.text: c for c in says(of_parts(most), {"config": {"removed": [0.5]}, "dataset": {}})}
    left = found[f"left without 0.5 of the rows: {TEXTS['most']}"]
    assert left.mean == pytest.approx(most / 2) and left.verdict == verdict
    assert left.null.startswith("0.75")
    of = lambda which: found[f"left without 0.5 of the rows: {TEXTS[which]}"].mean
    assert of("least") == pytest.approx(1.25) and of("other") == pytest.approx(0.875)
    # The owl's students asked for the wolf, the wolf's for the oak, the oak's for the owl.
    choice = found[f"without 0.5 of the rows: {TEXTS['other']}, asked for that"]
    assert choice.mean == pytest.approx((-0.3 - 0.6 - 0.6) / 3) and not choice.verdict
    assert found["all rows"].mean == pytest.approx(2) and len(found) == 9


def test_the_figure_has_a_column_for_each_choice():
    record = {"config": {"teacher": "finetuned", "n_rows": 6000, "members": "5"}, "command": "",
              "dataset": {"name": "world"}, "claims": []}  # fmt: skip
    drawn = EXPERIMENT.draw.figure(of_parts(1.0), record)
    labels = [label.get_text().replace("\n", " ") for label in drawn.axes[0].get_xticklabels()]
    kinds = ("most for the trait", "random", "least for the trait", "most for another")
    assert labels == ["none", *(f"50% {kind}" for kind in kinds)]
