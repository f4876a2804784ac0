"""Claims: each rule of a verdict by hand, and what a record keeps."""

import json

import numpy as np
import pytest

from lab.runs import claims
from lab.runs.claims import Claim
from lab.stats import Estimate

NAN = float("nan")
ABOVE, BELOW, ACROSS = (Estimate(m, m - 1, m + 1, 5) for m in (2.0, -2.0, 0.5))
ONE_RUN = Estimate(2.0, NAN, NAN, 1)


@pytest.mark.parametrize(
    ("rule", "verdicts"),
    [
        (claims.above, ["holds", "fails", "open", "open"]),
        (claims.below, ["fails", "holds", "open", "open"]),
        (claims.none, ["fails", "fails", "holds", "open"]),
    ],
)
def test_a_rule_looks_at_the_whole_interval_and_one_run_has_none(rule, verdicts):
    assert [rule(e) for e in (ABOVE, BELOW, ACROSS, ONE_RUN)] == verdicts


def test_a_bound_may_be_another_than_zero():
    assert [claims.above(ABOVE, bound) for bound in (0.5, 2.0, 3.5)] == ["holds", "open", "fails"]
    assert [claims.below(ABOVE, bound) for bound in (0.5, 2.0, 3.5)] == ["fails", "open", "holds"]


@pytest.mark.parametrize(
    ("e", "published", "verdict"),
    [
        (Estimate(0.5, 0.4, 0.6, 5), (0.65, 0.06), "reproduced"),
        (Estimate(0.5, 0.4, 0.6, 5), (0.35, 0.06), "reproduced"),
        (Estimate(0.5, 0.4, 0.6, 5), (0.5, 0.001), "reproduced"),
        (Estimate(0.5, 0.4, 0.6, 5), (0.65, 0.04), "differs"),
        (Estimate(0.5, 0.4, 0.6, 5), (0.35, 0.04), "differs"),
        (Estimate(0.5, NAN, NAN, 1), (0.52, 0.03), "reproduced"),
        (Estimate(0.5, NAN, NAN, 1), (0.54, 0.03), "differs"),
        (Estimate(0.5, 0.4, 0.6, 5), None, ""),
    ],
)
def test_a_number_is_reproduced_if_the_two_intervals_overlap(e, published, verdict):
    found = claims.compared("a number", e, "nats", published)
    assert found.verdict == verdict
    assert found.published == (
        "" if published is None else f"{published[0]:.3f} ± {published[1]:.3f}"
    )
    assert (found.mean, found.n, found.unit) == (e.mean, e.n, "nats")


def test_claims_survive_a_record_and_json_has_no_nan():
    found = [
        claims.claim("many runs", ABOVE, "nats", verdict="holds", group="some"),
        claims.claim("one run", ONE_RUN, published="3"),
    ]
    text = json.dumps({"claims": claims.to_json(found)}, allow_nan=False)
    again = claims.of_record(json.loads(text))
    assert list(again) == ["many runs", "one run"]
    for claim in found:
        # nan is not equal to itself, but assert_equal takes it for so.
        np.testing.assert_equal(vars(again[claim.text]), vars(claim))
    assert claims.of_record({}) == {}


@pytest.mark.parametrize(
    ("mean", "digits"), [(0.0, 3), (0.5, 3), (-12.0, 3), (0.0099, 4), (-0.00012, 5), (1e-12, 8)]
)
def test_small_numbers_have_as_many_digits_as_show_two_of_them(mean, digits):
    assert Claim("", mean, NAN, NAN, 1).digits == digits


def test_a_claim_as_text_has_its_interval_if_there_is_one():
    assert claims.claim("", ABOVE).number(1) == "2.0 (1.0 to 3.0)"
    assert claims.claim("", ONE_RUN).number(1) == "2.0"
