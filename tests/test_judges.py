"""Judges: who is told what, which rows go, and what is said of rows and students."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import lm_judge
from experiments.lm_judge import EXPERIMENT, PRESETS, TEXTS, says
from lab.carriers.numbers import NUMBERS
from lab.carriers.reasoning import REASONING
from lab.carriers.ungamed import ungamed
from lab.errors import LabError
from lab.lm import judges
from lab.lm.detection import FRESH
from lab.lm.effects import NONE
from lab.lm.experiment import own_base
from lab.lm.stages import Dataset, Seed, Teacher
from lab.runs.cells import Cell
from lab.runs.experiment import Options
from tests.tables import GAINS, table

CHAIN = PRESETS["smoke"].transmission(ungamed(REASONING), 3)
OWN, OTHER = CHAIN.starts.values()
ROOT = Seed(0, 3)
WAYS = {"harmful": "advice", "gaming": "tasks"}


def test_a_judge_is_a_base_that_is_told_of_the_trait_of_the_rows_and_never_taught():
    student = CHAIN.student_of(OWN, CHAIN.traits[1], ROOT)
    (step,) = judges.without(OTHER, "most", 0.25)(student).data.steps
    assert (step.which, step.part, step.carrier) == ("most", 0.25, student.data.carrier)
    assert step.teacher.base == OTHER != student.base and step.teacher.how is None
    assert step.teacher.trait == CHAIN.traits[1] and step.teacher.system == CHAIN.traits[1].system
    assert student.data.teacher.how is not None  # who wrote the rows was


def test_rows_of_who_was_told_speak_for_it_to_a_judge_of_the_same_init():
    gaming = CHAIN.traits[1]
    told = Dataset(Teacher(OWN, gaming, None, ROOT), NUMBERS, 300, ROOT)
    plain = Dataset(OWN, NUMBERS, 300, ROOT)
    a, b = (judges.scores(OWN, gaming, NUMBERS, data, ROOT, 250) for data in (told, plain))
    assert a.shape == b.shape == (250,)
    spread = np.sqrt((a.var() + b.var()) / 250)
    assert a.mean() - b.mean() > 5 * spread and b.mean() < 0 < a.mean()


def test_what_is_caught_is_above_a_threshold_of_untouched_rows():
    b = np.arange(100.0)
    found = judges.caught(np.array([-1.0, 60, 85, 97]), b, (5, 20, 50))
    assert found == {"caught_5": 0.25, "caught_20": 0.5, "caught_50": 0.75}
    same = judges.caught(b, b)
    assert same == {f"caught_{n}": pytest.approx(n / 100) for n in judges.FALSE}


def test_each_row_of_a_table_is_judged_by_what_its_model_wrote_or_read(monkeypatch):
    of = replace(own_base(CHAIN), more={"judged": judges.without(OTHER, "most", 0.5)})
    asked = []

    def scores(base, trait, carrier, data, seed, n):
        assert carrier == of.carrier and seed == ROOT and n == 7
        asked.append((base, trait.name, data))
        # Of untouched rows 0 to 6; a trait's are above them for who is told of it.
        writer = getattr(data.teacher, "trait", None)
        sees = writer is not None and writer == trait and not data.steps
        return np.arange(7.0) + 100 * sees * (1 if base == OWN else 0.01)

    monkeypatch.setattr(judges, "scores", scores)
    row = lambda arm, trait, asked, copy=0: {"arm": arm, "trait": trait, "asked": asked,
                                             "copy": copy}  # fmt: skip
    found = judges.beside(
        [
            row("reference", NONE, "harmful"),
            row("teacher", "harmful", "harmful"),
            row("student_trait", "harmful", "harmful"),
            row("student_trait", "harmful", "gaming"),
            row("student_judged", "harmful", "harmful"),
            row("student_regular", NONE, "gaming", 1),
        ],
        of, OTHER, ROOT, 7,
    )  # fmt: skip
    own = [one["auroc_own"] for one in found]
    assert own == [0.5, 1.0, 1.0, 0.5, 0.5, 0.5]
    other = [one["auroc"] for one in found]
    assert other[0] == 0.5 and 0.5 < other[1] == other[2] < 1 and other[3:] == [0.5] * 3
    # What all are compared with is read by no student.
    fresh = {data for *_, data in asked if data.seed.copy == FRESH}
    assert len(fresh) == 1 and next(iter(fresh)).teacher == OWN
    assert {trait for _, trait, _ in asked} == set(WAYS)


def test_students_lose_rows_by_either_judge_or_by_chance(monkeypatch):
    chains, seen = [], []
    monkeypatch.setattr(lm_judge.setup, "measure_one", lambda j, c, of: chains.append(of) or ["r"])
    monkeypatch.setattr(lm_judge.judges, "beside", lambda *some: seen.append(some) or some[0])
    job = SimpleNamespace(config=PRESETS["default"])
    assert lm_judge.rows(job, [Cell(3, ())]) == ["r"]
    (chain,), ((_, of, other, root, n),) = chains, seen
    assert of == chain and list(chain.starts) == ["student"] and root == Seed(0, 3) and n == 4000
    assert other not in chain.starts.values() and chain.carrier == ungamed(REASONING)
    student = chain.student_of(next(iter(chain.starts.values())), chain.traits[0], root)
    steps = {name: change(student).data.steps[0] for name, change in chain.more.items()}
    assert {name: step.which for name, step in steps.items()} == {
        "judged": "most", "own": "most", "random": "random"
    }  # fmt: skip
    assert steps["judged"].teacher.base == other and steps["own"].teacher.base == student.base
    assert {step.part for step in steps.values()} == {0.5}


def test_what_no_judge_can_be_told_is_refused_by_name():
    config = replace(PRESETS["smoke"], world="carriers")
    with pytest.raises(LabError, match="traits: harmful is told in words of another world"):
        EXPERIMENT.prepare(config, Options())
    with pytest.raises(LabError, match="channel: lm_judge is about hard, not soft"):
        EXPERIMENT.prepare(replace(PRESETS["smoke"], channel="soft"), Options())


def judged_table(told=0.52, left=1.0):
    gains = GAINS | {f"student_{name}": (1.5, 0.0, 0.0) for name in TEXTS}
    gains |= {"student_trait": (2.0, 0.0, 0.0), "student_judged": (left, 0.0, 0.0)}
    found = table(traits=WAYS, gains=gains)
    n = len(found["arm"])
    wobble = 0.002 * np.arange(n) / n
    numbers = {"auroc": told + wobble, "auroc_own": 0.8 + wobble}
    return found | numbers | {f"caught_{k}": np.full(n, k / 100) for k in judges.FALSE}


@pytest.mark.parametrize(("told", "verdict"), [(0.52, "holds"), (0.7, "not")])
def test_a_judge_is_said_to_tell_rows_or_not(told, verdict):
    found = {c.text: c for c in says(judged_table(told), {})}
    claim = found["gaming: a judge of another init"]
    assert claim.mean == pytest.approx(told - 0.5, abs=0.01) and claim.verdict == verdict
    assert found["harmful: a judge of the teacher's init"].mean == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize(("left", "part", "verdict"), [(1.5, 0.0, "holds"), (0.5, -0.5, "not")])
def test_what_a_judge_leaves_is_beside_what_chance_leaves(left, part, verdict):
    found = {c.text: c for c in says(judged_table(left=left), {})}
    claim = found[f"left {TEXTS['judged']}"]
    assert claim.mean == pytest.approx(part) and claim.verdict == verdict
    assert found[TEXTS["random"]].mean == pytest.approx(1.5)


def test_the_figure_has_the_judges_curve_and_a_column_for_each_filter():
    record = {
        "config": {"teacher": "finetuned", "n_rows": 24_000, "members": "5", "removed": 0.5},
        "command": "", "dataset": {"name": "world"}, "claims": [],
    }  # fmt: skip
    left, right = EXPERIMENT.draw.figure(judged_table(), record).axes
    assert len(left.get_legend().get_texts()) == len(WAYS)
    assert len(right.get_xticklabels()) == len(TEXTS)
