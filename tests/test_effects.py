"""Effects are differences from the matched control; tests and intervals are worked by hand."""

import itertools

import numpy as np
import pytest

from lab import effects, results, stats
from lab.effects import NONE


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


def test_the_summary_shows_each_control():
    shown = effects.summary(table(), {})
    odds, rates = shown.values()
    means = [round(e.mean, 2) for e in odds]
    assert means == [8.0, 2.01, 0.0, 0.1]
    assert odds[1].n == 6
    by_arm = {e.label: e.mean for e in rates}
    assert by_arm["student_trait"] == pytest.approx(0.3)
    assert by_arm["student_regular"] == pytest.approx(0.1)


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
