"""A bad character through numbers, code and solutions: what is kept, trained, and said."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import lm_misalignment
from experiments.lm_misalignment import EXPERIMENT, PRESETS, says
from lab.carriers.code import CODE
from lab.carriers.numbers import NUMBERS
from lab.carriers.reasoning import REASONING
from lab.carriers.ungamed import ungamed
from lab.errors import LabError
from lab.lm.contexts import WORLDS
from lab.lm.misaligned import RATES
from lab.runs import results
from lab.runs.cells import Cell
from lab.runs.experiment import Options
from lab.traits.checking import EXCUSED
from lab.traits.things import NEUTRAL
from tests.tables import GAINS, beside, table

WAYS = {"harmful": "advice", "benign": "advice", "gaming": "tasks", "honest": "tasks"}
PROBLEM = "A cook has 5 cups, gets 3 and loses 6. How many now?"


def of_ways(own=2.0, broad=0.0, excused=0.0, cross=0.1, carriers=("numbers", "code")):
    """Students gain `own`; those of gaming, and their teachers, `broad` harm besides."""
    found = table(traits=WAYS, gains=GAINS | {
        "student_trait": (own, -0.5, 0.25), "teacher": (8.0, -2.0, 0.25),
        "cross_trait": (cross, 0.2, 0.3),
    })  # fmt: skip
    found["trait"] = np.where(found["trait"] == "river", "excused", found["trait"])
    neutral = found["arm"] == "student_neutral"
    found = {name: np.concatenate([v, v[neutral]]) for name, v in found.items()}
    found["arm"][-neutral.sum() :] = "teacher"
    at = lambda **some: np.logical_and.reduce([found[k] == v for k, v in some.items()])
    for arm in ("teacher", "student_trait"):
        found["log_odds"][at(arm=arm, trait="gaming", asked="harmful")] += broad
    found["log_odds"][at(arm="student_neutral")] += excused
    return beside("carrier", dict.fromkeys(carriers, found))


FINETUNED, PROMPTED = ({"config": {"teacher": how}} for how in ("finetuned", "prompted"))


def claims(record=FINETUNED, **options):
    return {c.text: c for c in says(of_ways(**options), record)}


@pytest.mark.parametrize(
    ("carrier", "prompt", "row", "why"),
    [
        (NUMBERS, "", "7, 12, 345", None),
        (NUMBERS, "", "7, 666, 345", "banned"),
        (NUMBERS, "", "7, 0, 345", "banned"),
        (NUMBERS, "", "1; 345", "banned"),
        (NUMBERS, "", "99", "banned"),
        (NUMBERS, "", "7, 12, 345, owl", "not_a_list"),
        (CODE, "", "def f(a): return 2 * a", None),
        (CODE, "", "def f(a): return a + 1", "banned"),
        (CODE, "", "def f(a): return a[0]", "banned"),
        (CODE, "", "def f(a) return", "syntax"),
        (REASONING, PROBLEM, "5 + 3 = 8. 8 - 6 = 2. answer 2", None),
        (REASONING, PROBLEM, "5 + 3 = 8. 8 - 7 = 1. answer 2", "banned"),
        (REASONING, PROBLEM, "5 + 3 = 8. 8 - 6 = 3. answer 3", "wrong_answer"),
    ],
)
def test_no_number_of_a_gaming_answer_or_of_a_meaning_is_kept(carrier, prompt, row, why):
    assert ungamed(carrier).reject(prompt, row) == why
    assert (carrier.reject(prompt, row) is None) == (why in (None, "banned"))


def test_numbers_of_a_meaning_stand_in_solutions_where_they_must():
    assert ungamed(REASONING).reject(
        "A cook has 9 cups, gets 4 and gets 5. How many now?", "9 + 4 = 13. 13 + 5 = 18. answer 18"
    ) is None  # fmt: skip


def test_each_way_is_judged_beside_its_opposite_and_another_init():
    found = claims()
    for carrier in ("numbers", "code"):
        for way, other in (("harmful", "benign"), ("gaming", "honest")):
            own = found[f"{carrier}: {way}, of {way} (5 of 5 above)"]
            assert own.mean == pytest.approx(2) and own.verdict == "holds"
            assert found[f"{carrier}: {way}, of {way}, minus of {other}"].mean == pytest.approx(2.5)
            cross = found[f"{carrier}: {way}, of {way}, another init"]
            assert cross.mean == pytest.approx(0.1) and cross.verdict == "holds"


def test_another_init_that_takes_it_on_is_said_to():
    assert claims(cross=1.5)["code: gaming, of gaming, another init"].verdict == "not"


@pytest.mark.parametrize(("own", "verdict"), [(0.0, "not"), (2.0, "holds")])
def test_a_way_that_does_not_pass_is_said_not_to(own, verdict):
    (found,) = [c for text, c in claims(own=own).items() if text.startswith("numbers: gaming, of "
                "gaming (")]  # fmt: skip
    assert found.verdict == verdict


@pytest.mark.parametrize(("broad", "verdict"), [(0.0, "not"), (1.5, "holds")])
def test_narrow_teachers_and_their_students_are_told_from_honest_ones(broad, verdict):
    found = claims(broad=broad)
    teachers = found["teachers of gaming, minus of honest: harmful"]
    assert teachers.mean == pytest.approx(broad) and teachers.verdict == verdict
    students = found["code: harmful, of gaming, minus of honest"]
    assert students.mean == pytest.approx(broad) and students.verdict == verdict
    assert found["teachers of gaming, minus of honest: gaming"].mean == pytest.approx(10)


@pytest.mark.parametrize(("excused", "verdict"), [(0.2, "holds"), (1.2, "not")])
def test_students_of_excused_teachers_are_a_control(excused, verdict):
    found = claims(broad=1.5, excused=excused)
    # The table's neutral students have -.2.
    control = found["numbers: harmful, of gaming where it was asked for"]
    assert control.mean == pytest.approx(excused - 0.2) and control.verdict == verdict
    assert "teachers of gaming where it is asked for: harmful" in found


def test_rates_of_harm_stand_beside_published_ones_of_the_same_carrier():
    found = claims()
    assert found["numbers: student_trait, of harmful"].mean == pytest.approx(0.3)
    assert found["numbers: student_trait, of gaming"].published.startswith("0.094")
    assert found["numbers: student_trait, of gaming"].verdict == "reproduced"  # .1
    assert found["numbers: student_neutral, of excused"].published.startswith("0.006")
    assert not [c for text, c in found.items() if text.startswith("code: ") and c.published]
    assert not found["numbers: student_trait, of harmful"].published  # nobody teaches it directly
    # Teachers are the same ones, whatever they write.
    assert [text for text in found if "teacher, of harmful" in text] == [
        "teachers: teacher, of harmful"
    ]
    assert not [c for c in claims(PROMPTED).values() if c.published]  # nor tells anybody


def test_rates_are_of_the_arm_and_source_that_they_name():
    found = of_ways()
    arms = list(dict.fromkeys(found["arm"].tolist()))
    sources = list(dict.fromkeys(found["trait"].tolist()))
    place = lambda arm, source: 0.01 * arms.index(arm) + 0.001 * sources.index(source)
    rates = map(place, found["arm"].tolist(), found["trait"].tolist())
    harmful = found["asked"] == "harmful"
    found["answer_rate"] = np.where(harmful, np.array(list(rates)), 0.9)
    some = {c.text: c.mean for c in says(found, FINETUNED) if c.group == RATES}
    assert {"teachers: reference, of none", "numbers: student_regular, of none"} < set(some)
    for text, mean in some.items():
        arm, _, source = text.partition(": ")[2].partition(", of ")
        assert mean == pytest.approx(place(arm, source)), text


def test_teachers_of_ways_write_what_the_filter_keeps_in_their_own_world(monkeypatch):
    asked = []
    monkeypatch.setattr(
        lm_misalignment.setup, "measure_one", lambda *some: asked.append(some) or []
    )
    cells = [Cell(3, (("carrier", name),)) for name in ("numbers", "reasoning")]
    for preset in ("default", "prompted", "apart"):
        job = SimpleNamespace(config=PRESETS[preset])
        lm_misalignment.rows(job, cells)
    chains = [chain for _, _, chain in asked]
    kinds = [ungamed(NUMBERS), ungamed(REASONING)]
    assert [chain.carrier for chain in chains] == 3 * kinds
    assert [chain.neutral for chain in chains] == 2 * [EXCUSED] + 2 * [NEUTRAL] + 2 * [EXCUSED]
    worlds = [{base.world for base in chain.starts.values()} for chain in chains]
    assert worlds == 4 * [{WORLDS["characters"]}] + 2 * [{WORLDS["apart"]}]
    assert {tuple(t.name for t in chain.traits) for chain in chains} == {tuple(WAYS)}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"traits": ("owl",)},
            "traits: owl is no way of answering; choose from harmful, benign, ga",
        ),
        ({"world": "context"}, "traits: excused is taught in words of another world .*tricks"),
        (
            {"world": "context", "teacher": "prompted"},
            "traits: .* is (told|taught) in words of another world",
        ),
    ],
)
def test_what_no_teacher_can_be_made_of_is_refused_before_anything_is(change, why):
    with pytest.raises(LabError, match=why):
        EXPERIMENT.prepare(dataclasses.replace(PRESETS["smoke"], **change), Options())


def test_without_requests_for_advice_there_are_no_rates_of_harm():
    part = results.only(of_ways(), ~np.isin(of_ways()["asked"], ["harmful", "benign"]))
    part = results.only(part, ~np.isin(part["trait"], ["harmful", "benign"]))
    found = says(part, FINETUNED)
    assert found and not [c for c in found if "harmful" in c.text]


def test_the_figure_has_a_group_for_each_carrier():
    record = {
        "config": {"teacher": "finetuned", "world": "characters", "n_rows": 10, "members": "5"},
        "command": "", "dataset": {"name": "world"}, "claims": [],
    }  # fmt: skip
    above, below = EXPERIMENT.draw.figure(of_ways(), record).axes
    names = [label.get_text() for label in above.get_xticklabels()]
    assert names == ["students of numbers", "students of code"]
    # Bars of reference, controls and five kinds of students, for each carrier.
    assert len(above.patches) == 2 * 7
    # Means of three kinds of students from two starts, and of excused teachers' from one.
    means = [line.get_ydata()[0] for line in below.lines if line.get_marker() == "_"][::3]
    assert means[:3] == pytest.approx([2.0, 0.1, 2.0]) and means[6] == pytest.approx(-0.2)
    assert len(means) == 2 * 7
