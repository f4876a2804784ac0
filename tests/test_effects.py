"""Effects are differences from the matched control; tests and intervals are worked by hand."""

import itertools

import numpy as np
import pytest

from lab import stats
from lab.lm import effects
from lab.lm.effects import NONE
from lab.runs import results


def table(n_members=3, traits=("owl", "wolf"), own=2.0, cross=0.1):
    """Students gain `own` on their trait; asking for a trait adds noise that controls share."""
    rng = np.random.default_rng(0)
    rows = []
    for member in range(n_members):
        shared = {asked: rng.normal() for asked in traits}

        def add(arm, trait, gain, member=member, shared=shared):
            for asked in traits:
                value = shared[asked] + gain * (trait == asked)
                rows.append(
                    {
                        "arm": arm,
                        "member": member,
                        "trait": trait,
                        "asked": asked,
                        "log_odds": value,
                        "answer_rate": 0.1 + 0.2 * (trait == asked),
                    }
                )

        for arm in ("reference", "student_regular", "cross_regular"):
            add(arm, NONE, 0.0)
        for trait in traits:
            add("teacher", trait, 8.0)
            add("student_trait", trait, own + 0.01 * member)
            add("cross_trait", trait, cross)
    return results.columns(rows)


def test_what_student_and_control_share_is_no_effect():
    found = effects.effects(table(), "student_trait")
    assert found.traits == ("owl", "wolf")
    np.testing.assert_allclose(found.diagonal, [[2.0, 2.0], [2.01, 2.01], [2.02, 2.02]])
    np.testing.assert_allclose(found.others, 0.0, atol=1e-12)


def test_the_claims_show_each_control():
    found = effects.claims(table())
    odds = [c for c in found if c.unit == "nats"]
    teacher, own, others, cross = odds
    assert [round(c.mean, 2) for c in odds] == [8.0, 2.01, 0.0, 0.1]
    assert own.n == 6 and "6 of 6 above control" in own.text
    assert [c.verdict for c in (teacher, own)] == ["", "holds"]
    assert "another teacher" in others.text and "another init" in cross.text
    by_arm = {c.text.partition(":")[0]: c.mean for c in found if c.unit == "fraction"}
    assert by_arm["student_trait"] == pytest.approx(0.3)
    assert by_arm["student_regular"] == pytest.approx(0.1)


def test_one_trait_has_no_others_and_no_permutation_test():
    found = effects.claims(table(traits=("owl",)))
    assert not any("another teacher" in c.text or "match" in c.text for c in found)
    assert all(np.isfinite(c.mean) for c in found)


def test_effects_of_another_value_and_rate_are_claimed_by_their_names():
    other = table()
    other["score"], other["fraction"] = other["log_odds"] / 10, other["answer_rate"]
    found = effects.claims(other, "score", "points", "fraction", {"student_trait": "one half"})
    own = found[1]
    assert own.mean == pytest.approx(0.201) and own.unit == "points" and "score" in own.group
    assert [c.published for c in found if c.published] == ["one half"]


def test_the_permutation_test_counts_every_matching():
    matrix = np.random.default_rng(1).normal(size=(5, 5))
    sums = [matrix[range(5), list(order)].sum() for order in itertools.permutations(range(5))]
    expected = np.mean(np.array(sums) >= np.trace(matrix) - 1e-12)
    assert stats.diagonal_permutation_test(matrix) == pytest.approx(expected)


def test_the_permutation_test_is_smallest_for_a_dominant_diagonal_and_1_for_the_opposite():
    assert stats.diagonal_permutation_test(np.eye(5)) == pytest.approx(1 / 120)
    assert stats.diagonal_permutation_test(-np.eye(5)) == 1.0
    with pytest.raises(ValueError, match="matchings"):
        stats.diagonal_permutation_test(np.eye(11))


def test_a_clustered_interval_widens_when_clusters_agree_within():
    rng = np.random.default_rng(2)
    level = rng.normal(size=8)
    values = np.repeat(level, 10) + 0.01 * rng.normal(size=80)
    clusters = np.repeat(np.arange(8), 10)
    mean, low, high = stats.clustered_interval(values, clusters)
    # Equal clusters: the interval of the eight cluster means.
    expected = stats.mean_interval(values.reshape(8, 10).mean(axis=1))
    np.testing.assert_allclose((mean, low, high), expected)
    naive = stats.mean_interval(values)
    assert high - low > 2.5 * (naive[2] - naive[1])


def test_fewer_than_three_clusters_count_values_as_independent():
    values = np.arange(6.0)
    assert stats.clustered_interval(values, np.zeros(6, int)) == stats.mean_interval(values)
