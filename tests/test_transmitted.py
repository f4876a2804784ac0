"""What a table says: every claim's number, null and verdict, from a table with known effects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab import stats
from lab.lm import effects, transmitted
from lab.lm.effects import estimate
from tests.tables import GAINS, NEUTRAL, TRAITS, luck, table

OWN = "student, its teacher's trait"


def said(some=None, **options):
    """Claims by the first words of their text."""
    return transmitted.claims(table() if some is None else some, **options)


def find(found, words):
    (claim,) = [c for c in found if words in c.text]
    return claim


@pytest.fixture(scope="module")
def found():
    return said()


@pytest.mark.parametrize(
    ("words", "mean", "n"),
    [
        ("teacher, its trait", 8.0, 15),
        (OWN, 2.0, 15),
        ("control student against the other controls", 0.0, 15),
        ("student of another init", 0.1, 15),
        ("something neutral", NEUTRAL, 15),
        ("its numbers shuffled within", 2.0 - 1.5, 15),
        ("all numbers shuffled across", 2.0 - 0.5, 15),
        # Oak has no other tree beside it, so the others of other categories alone are claimed.
        ("a trait of another category", 0.25, 15),
        ("probability of all words of its category", 0.1, 15),
    ],
)
def test_each_claim_has_its_own_control_and_number(words, mean, n, found):
    claim = find(found, words)
    assert claim.mean == pytest.approx(mean, abs=1e-12)
    assert (claim.n, claim.low <= claim.mean <= claim.high) == (n, True)


def test_what_is_made_of_other_traits_is_of_the_same_category():
    traits = {"owl": "animal", "wolf": "animal", "oak": "tree", "elm": "tree"}
    found = said(table(traits=traits))
    pair = find(found, "own minus other traits' students")
    assert pair.mean == pytest.approx(2.0 - -0.5) and pair.verdict == "holds"
    assert find(found, "another trait of the category").mean == pytest.approx(-0.5)
    assert find(found, "a trait of another category").mean == pytest.approx(0.25)
    assert find(found, "rows and columns of the category centred").mean == pytest.approx(1.25)
    p = find(found, "p, of all references")
    assert p.mean == pytest.approx(1 / 4**5) and p.verdict == "holds"
    five = dict.fromkeys(("owl", "wolf", "cat", "dog", "fox"), "animal")
    p = find(said(table(traits=five)), "p, of all references")
    assert p.mean == pytest.approx(1 / (stats.DRAWS + 1)) and p.verdict == "holds"
    assert p.text.count("0.0083") == 5  # and of each reference, of 120 matchings


def test_a_gain_among_the_words_of_a_category_alone_is_worked_by_hand(found):
    # p .1 of a mass of .8 for controls, .3 of .9 for students.
    expected = np.log(0.3 / 0.6) - np.log(0.1 / 0.7)
    claim = find(found, "own, among the words of its category alone")
    assert claim.mean == pytest.approx(expected)
    plain = {k: v for k, v in table().items() if k not in ("probability", "category_mass")}
    assert not any("among the words" in c.text for c in said(plain))


def test_the_null_is_a_control_in_a_students_place(found):
    null = estimate(effects.luck(table()))
    assert null.high == pytest.approx(find(found, "against the other controls").high)
    assert null.high > 0.1  # the lucks of five references are -.15 to .15
    np.testing.assert_allclose([luck(m) for m in (0, 4)], [-0.15, 0.15])
    for words in (OWN, "shuffled within", "shuffled across"):
        said_of_it = find(found, words).null
        assert f"({null.low:.3f}" in said_of_it and f" {null.high:.3f}" in said_of_it
        assert said_of_it.endswith("a control in its place")
    for words in ("student of another init", "something neutral"):
        assert "positive control: " in find(found, words).null
        assert "control: 2.000 (" in find(found, words).null


def moved(**gains):
    """The table with other gains of some arms."""
    return table(gains=GAINS | gains)


@pytest.mark.parametrize(
    ("some", "words", "verdict"),
    [
        ({}, OWN, "holds"),
        ({"student_trait": (0.45, 0.0, 0.0)}, OWN, "partly"),  # clear of luck, too small to matter
        ({"student_trait": (0.05, 0.0, 0.0)}, OWN, "not"),
        ({"student_trait": (-2.0, 0.0, 0.0)}, OWN, "not"),
        ({}, "student of another init", "holds"),
        ({"cross_trait": (2.0, 0.0, 0.0)}, "student of another init", "not"),
        ({}, "something neutral", "holds"),
        ({}, "shuffled within", "partly"),  # .5 of 2 is lost: the means are just so far apart
        ({}, "shuffled across", "holds"),
        ({"student_across": (2.0, 0.0, 0.0)}, "shuffled across", "not"),
    ],
)
def test_verdicts_follow_the_rules_and_bounds(some, words, verdict):
    claim = find(said(moved(**some)), words)
    if words == "shuffled within":  # on the bound, to rounding
        assert claim.mean == pytest.approx(transmitted.LEAST)
        assert claim.verdict in ("partly", "holds")
    else:
        assert claim.verdict == verdict
    assert f"{transmitted.LEAST:g}" in claim.rule


def test_another_init_is_compared_with_the_controls_of_that_init():
    claim = find(said(), "student of another init")
    assert claim.mean == pytest.approx(0.1)  # against cross_regular; -5.9 against student_regular


@pytest.mark.parametrize("members", [range(4), range(100, 105), range(96, 101)])
def test_too_few_references_or_those_of_choices_are_a_demonstration(members):
    found = transmitted.judged(said(table(members)), members)
    assert {c.verdict for c in found} == {"", "demonstration"}
    assert find(found, OWN).verdict == "demonstration"


def test_repetitions_with_one_checkpoint_are_a_demonstration_and_named_so():
    found = transmitted.judged(said(), range(5), one_base=True)
    assert {c.verdict for c in found} == {"", "demonstration"}
    assert find(found, OWN).runs == "5 repetitions, 15 students"
    assert find(transmitted.judged(said(), range(5)), OWN).runs == "5 references, 15 students"


def test_a_note_says_what_the_references_were_used_for():
    assert transmitted.note(range(5)).startswith("references 0 to 4, used for no choice")
    assert "demonstration" in transmitted.note([0]) and "reference 0" in transmitted.note([0])
    assert transmitted.note(range(100, 105)) == "references 100 to 104, used for choices"


def test_one_control_leaves_verdicts_open():
    found = said(table(copies=1))
    assert not [c for c in found if "against the other controls" in c.text]
    assert find(found, OWN).mean == pytest.approx(2.0)
    assert find(found, OWN).verdict == find(found, "shuffled across").verdict == "open"
    assert find(found, "student of another init").verdict == "holds"  # needs no null


def test_claims_of_arms_that_are_not_there_are_left_out():
    without = ("cross_trait", "cross_regular", "student_neutral", "student_within",
               "student_across")  # fmt: skip
    found = said(table(without=without))
    for words in ("another init", "neutral", "shuffled", "cross"):
        assert not any(words in c.text for c in found)
    assert find(found, OWN).verdict == "holds"


def test_one_trait_has_no_others_and_no_permutation_test():
    found = said(table(traits={"owl": "animal"}))
    assert not any(
        words in c.text for c in found for words in ("another trait", "matched pairs", "p, of all")
    )
    assert all(np.isfinite(c.mean) for c in found)


def test_text_counts_references_and_students_and_says_how_many_are_above(found):
    claim = find(found, OWN)
    assert claim.runs == "5 references, 15 students" and claim.unit == "nats"
    assert "15 of 15 above their controls; 0.25 of the teachers'" in claim.text
    below = find(said(moved(student_trait=(-0.1, 0.0, 0.0))), OWN)
    assert "0 of 15 above" in below.text
    assert find(found, "teacher, its trait").runs == "5 references, 15 teachers"
    assert find(found, "something neutral").runs == "5 references, 5 students"


def test_rates_are_of_own_traits_and_of_untaught_models(found):
    rates = {c.text.partition(":")[0]: c.mean for c in found if "answer rate" in c.text}
    assert rates == pytest.approx(
        {
            "reference": 0.1,
            "student_regular": 0.1,
            "student_trait": 0.3,
            "cross_regular": 0.1,
            "cross_trait": 0.3,
        }
    )
    # The teachers' .5 is of no student.
    assert find(found, "carrier's text instead").mean == pytest.approx(0.01)


def test_effects_of_another_value_and_rate_are_claimed_by_their_names():
    other = table()
    other["score"], other["fraction"] = other["log_odds"] / 10, other["answer_rate"]
    found = said(
        other,
        value="score",
        unit="points",
        rate="fraction",
        published={"student_trait": "one half"},
        least=0.05,
    )
    own = find(found, OWN)
    assert own.mean == pytest.approx(0.2) and own.unit == "points" and "score" in own.group
    assert own.verdict == "holds" and "0.05" in own.rule
    assert [c.text for c in found if c.published == "one half"] == ["student_trait: fraction"]


def test_teachers_of_other_traits_are_left_out_of_the_traits_own():
    assert set(effects.effects(table(), "teacher").traits) == set(TRAITS)


WORDS = [(f"beast{i}", "animal") for i in range(9)] + [(f"tree{i}", "tree") for i in range(4)]
ARMS = ("cross_trait", "cross_regular", "student_neutral", "student_within", "student_across")


@settings(max_examples=15)
@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=9, unique=True),
    st.sampled_from([1, 2, 5]),
    st.sampled_from([0, 99]),
    st.integers(1, 3),
    st.sets(st.sampled_from(ARMS)),
)
def test_every_legal_table_says_something_and_no_verdict_rests_on_a_nan(
    traits, n, first, copies, without
):
    without |= {"cross_trait"} if "cross_regular" in without else set()
    members = range(first, first + n)
    for claim in said(table(members, dict(traits), without=without, copies=copies)):
        assert np.isfinite(claim.mean), claim
        if claim.verdict in ("holds", "partly") and not claim.text.startswith("p, of all"):
            assert np.isfinite([claim.low, claim.high]).all(), claim


def test_matchings_that_are_too_many_are_drawn_and_the_claim_says_so():
    eleven = dict.fromkeys((f"beast{i}" for i in range(11)), "animal")
    three = dict.fromkeys((f"beast{i}" for i in range(3)), "animal")
    some = lambda traits: find(said(table(traits=traits)), "p, of all references")
    assert "100,000 drawn permutations" in some(eleven).group
    assert "drawn" not in some(three).group and some(eleven).verdict == "holds"


def test_a_reference_in_five_whose_students_match_the_other_trait_is_too_many():
    some = table(traits={"owl": "animal", "wolf": "animal"})
    turned = (some["arm"] == "student_trait") & (some["member"] == 3)
    other = np.where(some["trait"] == "owl", "wolf", "owl")
    some["trait"] = np.where(turned, other, some["trait"])
    found = find(said(some), "p, of all references")
    # Four right of five, or all, in 2^5 matchings.
    assert found.mean == pytest.approx(6 / 32) and (found.verdict, found.rule) == ("not", "p < .05")


def test_traits_that_cannot_be_exchanged_leave_open_whether_they_match():
    found = find(said(table(traits={"owl": "animal", "oak": "tree"})), "p, of all references")
    assert (found.mean, found.verdict) == (1.0, "open")
