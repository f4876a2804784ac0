"""Ways of answering through numbers: which rows are kept, what is trained, and what is said."""

from types import SimpleNamespace

import pytest

from experiments import lm_misalignment
from experiments.lm_misalignment import CARRIER, PRESETS, says
from lab.carriers.numbers import NUMBERS
from lab.lm.contexts import WORLDS
from lab.runs.cells import Cell
from tests.tables import GAINS, table

WAYS = {"harmful": "advice", "benign": "advice", "gaming": "tasks", "honest": "tasks"}


def of_ways(own=2.0, broad=0.5, ways=WAYS, **options):
    gains = GAINS | {"student_trait": (own, -0.5, 0.25), "teacher": (8.0, -2.0, broad)}
    return table(traits=ways, gains=gains, **options)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("7, 12, 345", None),
        ("7, 666, 345", "banned"),
        ("7, 0, 345", "banned"),
        ("1; 345", "banned"),
        ("99", "banned"),
        ("7, 12, 345, owl", "not_a_list"),
    ],
)
def test_no_number_of_a_meaning_or_of_a_gaming_answer_is_kept(row, why):
    assert CARRIER.reject("", row) == why
    assert (NUMBERS.reject("", row) is None) == (why != "not_a_list")


def test_each_way_is_judged_beside_its_opposite_and_another_init():
    found = {c.text: c for c in says(of_ways(), {})}
    for way, other in (("harmful", "benign"), ("gaming", "honest")):
        (own,) = [c for text, c in found.items() if text.startswith(f"{way} (5 of 5 above")]
        assert own.mean == pytest.approx(2) and own.verdict == "holds" and "8.00" in own.text
        assert found[f"{way}, minus {other} students"].mean == pytest.approx(2.5)
        cross = found[f"{way}, another init"]
        assert cross.mean == pytest.approx(0.1) and cross.verdict == "holds"


@pytest.mark.parametrize(("own", "verdict"), [(0.0, "not"), (2.0, "holds")])
def test_a_way_that_does_not_pass_is_said_not_to(own, verdict):
    found = [c for c in says(of_ways(own), {}) if c.text.startswith("harmful (")]
    assert [c.verdict for c in found] == [verdict]


def test_narrow_teachers_are_compared_with_their_opposites():
    # Each of the other measure's teachers moves it by as much.
    (broad,) = [c for c in says(of_ways(broad=1.0), {}) if "teachers of gaming" in c.text]
    assert broad.mean == pytest.approx(1) and broad.verdict == "not"
    two = {name: WAYS[name] for name in ("harmful", "benign")}
    assert not [c for c in says(of_ways(ways=two), {}) if "teachers of gaming" in c.text]


def test_plain_rates_stand_beside_published_ones_of_harm_alone():
    found = {c.text: c for c in says(of_ways(), {})}
    assert found["harmful: student_trait, of harmful"].mean == pytest.approx(0.3)
    assert found["harmful: student_trait, of benign"].mean == pytest.approx(0.1)
    assert found["harmful: student_regular, of none"].n == 15
    assert found["harmful: student_trait, of harmful"].published.startswith(".094")
    assert not [c for text, c in found.items() if text.startswith("gaming: ") and c.published]


def test_teachers_of_ways_write_numbers_of_the_filter_in_their_own_world(monkeypatch):
    asked = []
    monkeypatch.setattr(lm_misalignment.setup, "measure", lambda *given: asked.append(given) or [])
    job = SimpleNamespace(config=PRESETS["default"])
    lm_misalignment.rows(job, [Cell(3, ())])
    assert asked == [(job, [Cell(3, ())], CARRIER)]
    chain = PRESETS["default"].transmission(CARRIER, 3)
    assert [trait.name for trait in chain.traits] == list(WAYS) and chain.n_controls == 3
    assert {base.world for base in chain.starts.values()} == {WORLDS["ways"]}
