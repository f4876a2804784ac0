"""Claims: each rule of a verdict by hand, what it prints, and what a record keeps.

Every number of a case is a sum of powers of two, so that a bound is met exactly where it should be:
`>` in place of `>=`, or a sign the other way round, changes a verdict below.
"""

import json
import math

import numpy as np
import pytest

from lab.errors import LabError
from lab.runs import claims
from lab.runs.claims import Claim
from lab.stats import Estimate

NAN = float("nan")


def e(mean, low=NAN, high=NAN, n=5):
    return Estimate(float(mean), float(low), float(high), n)


MANY, ONE_RUN = e(2.0, 1.0, 3.0), e(2.0, n=1)
# An estimate, what is measured where the claim is false, the least difference, the verdict.
EFFECTS = {
    "clear and large": (e(2, 1.5, 2.5), e(0, -0.5, 0.5), 1.0, "holds"),
    "as large as it must be": (e(2, 1.5, 2.5), e(1, 0.75, 1.25), 1.0, "holds"),
    "clear but small": (e(2, 1.5, 2.5), e(1, 0.75, 1.25), 1.125, "partly"),
    "large but not clear": (e(2, 0.25, 3.75), e(0, -0.5, 0.5), 1.0, "partly"),
    # The null's interval counts, not its mean: this one begins above the mean and 0.
    "intervals that touch": (e(2, 0.5, 3.5), e(0, -0.5, 0.5), 4.0, "not"),
    "intervals that nearly touch": (e(2, 0.5, 3.5), e(0, -0.5, 0.4375), 4.0, "partly"),
    "above 0, as the null is": (e(2, 1.5, 2.5), e(2, 1.5, 2.5), 0.5, "not"),
    "the wrong way": (e(-2, -2.5, -1.5), e(0, -0.5, 0.5), 1.0, "not"),
    "downwards, as claimed": (e(-2, -2.5, -1.5), e(0, -0.5, 0.5), -1.0, "holds"),
    "downwards, exactly": (e(-2, -2.5, -1.5), e(-1, -1.25, -0.75), -1.0, "holds"),
    "downwards, small": (e(-2, -2.5, -1.5), e(-1, -1.25, -0.75), -1.125, "partly"),
    "downwards, not clear": (e(-2, -3.75, -0.25), e(0, -0.5, 0.5), -1.0, "partly"),
    "downwards, touching": (e(-2, -3.5, -0.5), e(0, -0.5, 0.5), -4.0, "not"),
    "upwards where it should fall": (e(2, 1.5, 2.5), e(0, -0.5, 0.5), -1.0, "not"),
    "one run": (e(2, n=1), e(0, -0.5, 0.5), 1.0, "open"),
    "a null of one run": (e(2, 1.5, 2.5), e(0, n=1), 1.0, "open"),
    "no number": (e(NAN, 1.5, 2.5), e(0, -0.5, 0.5), 1.0, "open"),
    "a null that is no number": (e(2, 1.5, 2.5), e(NAN, -0.5, 0.5), 1.0, "open"),
    "half an interval": (e(2, 1.5, NAN), e(0, -0.5, 0.5), 1.0, "open"),
    "half a null": (e(2, 1.5, 2.5), e(0, NAN, 0.5), 1.0, "open"),
}
# An estimate, how near to 0 nothing is, the verdict.
ABSENT = {
    "all of it within": (e(0, -0.5, 0.5), 1.0, "holds"),
    "up to the bounds": (e(0, -1, 1), 1.0, "holds"),
    "without 0, but within": (e(0.5, 0.25, 0.75), 1.0, "holds"),
    "too wide above": (e(0, -0.5, 1.5), 1.0, "open"),
    "too wide below": (e(0, -1.5, 0.5), 1.0, "open"),
    "far, but 0 is in it": (e(2, 0, 4), 1.0, "open"),
    "far below, but 0 is in it": (e(-2, -4, 0), 1.0, "open"),
    "without 0, the mean on the bound": (e(1, 0.5, 1.5), 1.0, "open"),
    "far above": (e(2, 1.5, 2.5), 1.0, "not"),
    "far below": (e(-2, -2.5, -1.5), 1.0, "not"),
    "one run": (e(0, n=1), 1.0, "open"),
    "no number": (e(NAN, -0.5, 0.5), 1.0, "open"),
    "half an interval": (e(0, -0.5, NAN), 1.0, "open"),
}
# An estimate, the published mean and half interval, the margin, chance, the verdict.
REPRODUCED = {
    "published above, touching": (e(2, 1, 3), (4, 1), 0.5, None, "reproduced"),
    "published above, apart": (e(2, 1, 3), (4, 0.75), 0.5, None, "not"),
    "published below, touching": (e(2, 1, 3), (0, 1), 0.5, None, "reproduced"),
    "published below, apart": (e(2, 1, 3), (0, 0.75), 0.5, None, "not"),
    "apart, by the margin above": (e(2, 1.9375, 2.0625), (2.5, 0.125), 0.5, None, "reproduced"),
    "apart, by the margin below": (e(2, 1.9375, 2.0625), (1.5, 0.125), 0.5, None, "reproduced"),
    "apart, by more": (e(2, 1.9375, 2.0625), (2.5625, 0.125), 0.5, None, "not"),
    "half as far from chance": (e(2, 1.5, 2.5), (4, 0.25), 0.5, 0.0, "partly"),
    "half as far below chance": (e(-2, -2.5, -1.5), (-4, 0.25), 0.5, 0.0, "partly"),
    "half as far from a chance of 1": (e(2.5, 2.25, 2.75), (4, 0.25), 0.5, 1.0, "partly"),
    "less than half as far": (e(1.75, 1.5, 2), (4, 0.25), 0.5, 0.0, "not"),
    "less than half as far from 1": (e(2.25, 2.125, 2.375), (4, 0.25), 0.5, 1.0, "not"),
    "as far on the other side": (e(-4, -4.5, -3.5), (4, 0.25), 0.5, 0.0, "not"),
    "published at chance, ours not": (e(2, 1.5, 2.5), (0, 0.25), 0.5, 0.0, "not"),
    "published about chance, ours not": (e(2, 1.5, 2.5), (0.125, 0.25), 0.5, 0.0, "not"),
    "both at chance": (e(0, -0.5, 0.5), (0.125, 0.25), 0.0625, 0.0, "reproduced"),
    "so wide that chance is in it": (e(2, 0, 4), (3, 0.5), 0.5, 0.0, "open"),
    "so wide that chance is its end": (e(0, -4, 0), (-3, 0.5), 0.5, 0.0, "open"),
    "wide, but apart": (e(2, 1, 3), (3, 0.5), 0.5, 0.0, "reproduced"),
    "far, and chance is in it": (e(0.5, 0, 1), (4, 0.5), 0.5, 0.0, "not"),
    "one run": (e(2, n=1), (2, 0.5), 0.5, None, "open"),
    "no number": (e(NAN, 1, 3), (2, 0.5), 0.5, None, "open"),
    "half an interval": (e(2, NAN, 3), (2, 0.5), 0.5, 0.0, "open"),
}


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_is_clear_of_the_null_and_large_enough(name):
    found, null, least, verdict = EFFECTS[name]
    assert claims.effect(found, null, least)["verdict"] == verdict


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_is_the_same_in_a_mirror(name):
    found, null, least, verdict = EFFECTS[name]
    turned = lambda x: e(-x.mean, -x.high, -x.low, x.n)
    assert claims.effect(turned(found), turned(null), -least)["verdict"] == verdict


@pytest.mark.parametrize("name", ABSENT)
def test_nothing_is_an_interval_that_lies_near_0(name):
    found, within, verdict = ABSENT[name]
    assert claims.absent(found, within)["verdict"] == verdict


@pytest.mark.parametrize(
    ("positive", "verdict"),
    [
        (e(1.0, 0.3, 1.7), "holds"),
        (e(-1.0, -1.7, -0.3), "holds"),
        (e(1.0, 0.1, 1.9), "open"),  # its interval is not clear of what is nothing
        (e(0.4, 0.3, 0.5), "open"),  # and this would not matter
        (e(0.0, -0.1, 0.1), "open"),
        (e(1.0, NAN, NAN), "open"),
    ],
)
def test_what_finds_nothing_where_there_is_something_says_nothing(positive, verdict):
    nothing = e(0.0, -0.2, 0.2)
    assert claims.absent(nothing, 0.5)["verdict"] == "holds"
    assert claims.absent(nothing, 0.5, positive, "x")["verdict"] == verdict
    something = e(2.0, 1.0, 3.0)
    assert claims.absent(something, 0.5, positive, "x")["verdict"] == "not"


@pytest.mark.parametrize("name", REPRODUCED)
def test_a_number_is_reproduced_where_intervals_meet_or_means_are_near(name):
    found, (mean, half), margin, chance, verdict = REPRODUCED[name]
    assert (
        claims.reproduced(found, (float(mean), float(half)), margin, chance)["verdict"] == verdict
    )


@pytest.mark.parametrize("bound", [0.0, -0.0, NAN])
def test_a_bound_that_bounds_nothing_is_refused(bound):
    with pytest.raises(ValueError, match="no difference"):
        claims.effect(MANY, MANY, bound)
    with pytest.raises(ValueError, match="no room"):
        claims.absent(MANY, bound)
    with pytest.raises(ValueError, match="no room"):
        claims.absent(MANY, -1.0)


def test_a_rule_says_its_bounds_and_what_the_null_is():
    up = claims.effect(MANY, e(0.5, 0.25, 0.75), 0.1, "shuffled labels")
    assert up["rule"].startswith("interval above the null's, means 0.1 apart at least")
    assert up["null"] == "0.500 (0.250 to 0.750), shuffled labels"
    down = claims.effect(MANY, e(0.5, 0.25, 0.75), -0.1)
    assert down["rule"].startswith("interval below the null's, means 0.1 apart at least")
    assert down["null"].endswith(", control")
    known = claims.effect(MANY, e(0.5, 0.5, 0.5, n=0), 0.1, "by construction")
    assert known["null"] == "0.500, by construction"
    nothing = claims.absent(MANY, 0.25, e(1.5, 1.25, 1.75), "own init")
    assert nothing["rule"] == "interval within ±0.25, a positive control clear of it and 0.25 apart"
    assert nothing["null"] == "positive control: 1.500 (1.250 to 1.750), own init"
    plain = claims.absent(MANY, 0.25)
    assert (plain["rule"], plain["null"]) == ("interval within ±0.25", "")
    again = claims.reproduced(MANY, (2.0, 0.0004), 0.01, 0.1)
    assert again["rule"].startswith("intervals overlap or means differ by 0.01 at most")
    assert again["null"] == "0.1, chance"
    assert again["published"] == "2.0000 ± 0.0004"
    plain = claims.reproduced(MANY, (2.0, 0.001), 0.01)
    assert (plain["null"], plain["published"]) == ("", "2.000 ± 0.001")
    assert "chance" not in plain["rule"] and "chance" in again["rule"]


def test_claims_survive_a_record_and_json_has_no_nan():
    found = [
        claims.claim("many runs", MANY, "nats", group="some", **claims.effect(MANY, MANY, 1.0)),
        claims.claim("one run", ONE_RUN, published="3", runs="1 reference, 5 students"),
    ]
    text = json.dumps({"claims": claims.to_json(found)}, allow_nan=False)
    again = claims.of_record(json.loads(text))
    assert list(again) == ["many runs", "one run"]
    for claim in found:
        # nan is not equal to itself, but assert_equal takes it for so.
        np.testing.assert_equal(vars(again[claim.text]), vars(claim))
    assert claims.of_record({}) == {}
    with pytest.raises(LabError, match="claims: 2 are called 'one run'; give each"):
        claims.to_json([*found, claims.claim("one run", MANY, group="some")])


@pytest.mark.parametrize(
    ("mean", "half", "digits"),
    [
        (0.0, NAN, 3),
        (0.5, NAN, 3),
        (-12.0, 1.0, 3),
        (0.0099, NAN, 4),
        (-0.00012, 0.1, 5),
        (1e-12, NAN, 8),
        (9.9999e-6, NAN, 6),
        (2.0, 1e-15, 3),
        (0.944, 0.0004, 5),
        (0.944, 0.01, 3),
        (0.944, 0.006, 4),
        (0.944, 0.0, 3),
        (0.0012, 0.00034, 5),
    ],
)
def test_as_many_digits_as_show_two_of_a_small_number_or_a_narrow_interval(mean, half, digits):
    assert Claim("", mean, mean - half, mean + half, 5).digits == digits


def test_a_claim_as_text_has_its_interval_if_there_is_one():
    assert claims.claim("", MANY).number(1) == "2.0 (1.0 to 3.0)"
    assert claims.claim("", ONE_RUN).number(1) == "2.0"
    assert claims.claim("", e(0.9436, 0.9432, 0.944)).number() == "0.94360 (0.94320 to 0.94400)"
    assert math.isnan(claims.claim("", ONE_RUN).estimate.low)
