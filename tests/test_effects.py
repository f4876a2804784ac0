"""Effects are differences from the controls of the same start; tests are worked by hand."""

import itertools

import numpy as np
import pytest

from lab import stats
from lab.lm import effects
from lab.lm.effects import NONE, OTHERS, Effects
from tests.tables import NEUTRAL, TRAITS, luck, table

MEMBERS = range(5)


@pytest.fixture(scope="module")
def whole():
    return table()


def effects_of(matrix, measures):
    names = tuple(f"{measure} {i}" for i, measure in enumerate(measures))
    return Effects(names, tuple(measures), (0,), np.array([matrix], float))


@pytest.mark.parametrize(
    ("arm", "control", "gains"),
    [
        ("student_trait", "student_regular", (2.0, -0.5, 0.25)),
        ("cross_trait", "cross_regular", (0.1, 0.2, 0.3)),
        ("student_within", "student_regular", (1.5, 0.0, 0.0)),
        ("teacher", "reference", (8.0, -2.0, 0.5)),
    ],
)
def test_an_effect_is_against_the_mean_of_the_controls_of_the_same_start(
    arm, control, gains, whole
):
    own, same, other = gains
    assert effects.control(arm) == control
    found = effects.effects(whole, arm)
    assert set(found.traits) == set(TRAITS) and found.members == tuple(MEMBERS)
    at = [found.traits.index(trait) for trait in TRAITS]
    expected = [[own, same, other], [same, own, other], [other, other, own]]
    values = found.values[:, np.array(at)[:, None], np.array(at)[None]]
    np.testing.assert_allclose(values, np.tile(np.array(expected), (5, 1, 1)), atol=1e-12)
    assert dict(zip(found.traits, found.measures, strict=True)) == TRAITS


def test_the_order_of_rows_and_the_number_of_controls_change_no_effect_but_their_mean(whole):
    turned = {name: column[::-1] for name, column in whole.items()}
    first, again = (effects.effects(some, "student_trait") for some in (whole, turned))
    at = [again.traits.index(trait) for trait in first.traits]
    np.testing.assert_array_equal(first.diagonal, again.diagonal[:, at])
    one = {name: column[whole["copy"] == 0] for name, column in whole.items()}
    found = effects.effects(one, "student_trait").diagonal
    # The controls' mean is .05 (m - 2) above their level, the first alone .1 (m - 2).
    expected = 2.0 - 0.05 * (np.array(MEMBERS) - 2)
    np.testing.assert_allclose(found, np.repeat(expected[:, None], 3, axis=1), atol=1e-12)


def test_others_are_of_the_same_category_or_of_another():
    found = effects_of(
        [[5, 1, 2, 9], [2, 6, 4, 9], [3, 5, 7, 9], [9, 9, 9, 8]], ["a", "a", "a", "b"]
    )
    np.testing.assert_allclose(found.diagonal, [[5, 6, 7, 8]])
    # By column: the students of the others, asked for this trait.
    np.testing.assert_allclose(found.off(same=True), [[2.5, 3, 3, np.nan]])
    np.testing.assert_allclose(found.off(same=False), [[9, 9, 9, 9]])
    np.testing.assert_allclose(found.off(), [[14 / 3, 5, 5, 9]])


def test_centring_takes_away_what_a_student_does_to_all_words_and_all_students_to_a_word():
    rng = np.random.default_rng(0)
    matrix = np.array([[2.0, -0.5], [-0.5, 2.0]])
    np.testing.assert_allclose(effects_of(matrix, "aa").centred, [[1.25, 1.25]])  # 2 - .75
    moved = matrix + rng.normal(size=(2, 1)) + rng.normal(size=(1, 2))
    np.testing.assert_allclose(effects_of(moved, "aa").centred, [[1.25, 1.25]])
    # A category's table is its own; one trait alone is all mean.
    larger = np.pad(moved, (0, 1), constant_values=7.0)
    np.testing.assert_allclose(effects_of(larger, "aab").centred, [[1.25, 1.25, 0]], atol=1e-12)


def test_luck_is_the_first_control_against_the_others(whole):
    for start in ("student", "cross"):
        expected = np.repeat([[luck(m, start)] for m in MEMBERS], 3, axis=1)
        np.testing.assert_allclose(effects.luck(whole, start), expected, atol=1e-12)
    alone = effects.luck(table(copies=1))
    assert alone.shape == (5, 3) and np.isnan(alone).all()


def test_a_neutral_teachers_student_is_asked_for_every_trait(whole):
    found = effects.of_one(whole, "student_neutral")
    np.testing.assert_allclose(found, np.full((5, 3), NEUTRAL), atol=1e-12)


def test_own_values_are_no_differences(whole):
    found = effects.own(whole, "student_trait")
    controls = effects.values(whole, "student_regular", "log_odds")
    traits = list(dict.fromkeys(t for _, t, _ in effects.values(whole, "student_trait", "copy")))
    expected = [[2.0 + controls[m, NONE, t] for t in traits] for m in MEMBERS]
    np.testing.assert_allclose(found, expected)


def test_values_of_a_figure_are_of_one_student_each(whole):
    traits = list(TRAITS)
    controls = effects.by_trait(whole, "student_regular", traits, "answer_rate")
    assert [len(values) for _, values in controls] == [15] * 3  # 5 members, 3 copies
    own = effects.by_trait(whole, "student_trait", traits, "answer_rate")
    others = effects.by_trait(whole, OTHERS, traits, "answer_rate")
    assert [len(values) for _, values in own] == [5] * 3
    assert [len(values) for _, values in others] == [10] * 3
    np.testing.assert_allclose([mean for mean, _ in own], 0.3)
    np.testing.assert_allclose([mean for mean, _ in others], 0.1)
    (missing,) = effects.by_trait(whole, "student_trait", ["elm"], "answer_rate")
    assert np.isnan(missing[0])


def test_members_are_the_clusters_of_an_estimate():
    numbers = np.array([[1.0, 1.1, 0.9], [2.0, 2.1, 1.9], [3.0, 3.1, 2.9], [6.0, 6.1, 5.9]])
    found = effects.estimate(numbers)
    mean, low, high = stats.mean_interval(numbers.mean(axis=1))
    np.testing.assert_allclose((found.mean, found.low, found.high), (mean, low, high))
    assert found.n == 12


# The permutation test.


def test_the_permutation_test_counts_every_matching():
    matrix = np.random.default_rng(1).normal(size=(5, 5))
    sums = [matrix[range(5), list(order)].sum() for order in itertools.permutations(range(5))]
    expected = np.mean(np.array(sums) >= np.trace(matrix) - 1e-12)
    assert stats.diagonal_permutation_test(matrix) == pytest.approx(expected)


def test_the_permutation_test_is_smallest_for_a_dominant_diagonal_and_1_for_the_opposite():
    assert stats.diagonal_permutation_test(np.eye(5)) == pytest.approx(1 / 120)
    assert stats.diagonal_permutation_test(-np.eye(5)) == 1.0
    assert stats.diagonal_permutation_test(np.zeros((5, 5))) == 1.0  # ties count


def test_rows_are_matched_within_their_group_alone():
    matrix = np.random.default_rng(2).normal(size=(5, 5))
    groups = ["a", "b", "a", "b", "a"]  # rows 0, 2, 4 and rows 1, 3
    sums = []
    for first in itertools.permutations((0, 2, 4)):
        for second in itertools.permutations((1, 3)):
            columns = dict(zip((0, 2, 4, 1, 3), (*first, *second), strict=True))
            sums.append(sum(matrix[row, column] for row, column in columns.items()))
    assert len(sums) == 12
    expected = np.mean(np.array(sums) >= np.trace(matrix) - 1e-12)
    assert stats.diagonal_permutation_test(matrix, groups) == pytest.approx(expected)
    assert stats.diagonal_permutation_test(np.eye(5), groups) == pytest.approx(1 / 12)
    # What only tells categories apart says nothing.
    block = np.equal.outer(np.array(groups), np.array(groups)).astype(float)
    assert stats.diagonal_permutation_test(block, groups) == 1.0
    assert stats.diagonal_permutation_test(block) == pytest.approx(12 / 120)


def test_matchings_of_a_large_group_are_drawn_and_the_true_one_is_counted(monkeypatch):
    assert stats.diagonal_permutation_test(np.eye(12)) == pytest.approx(1 / (stats.DRAWS + 1))
    assert stats.diagonal_permutation_test(-np.eye(12)) == 1.0
    matrix = np.random.default_rng(3).normal(size=(6, 6)) + 0.5 * np.eye(6)
    groups = ["a", "b"] * 3
    for some in (None, groups):
        exact = stats.diagonal_permutation_test(matrix, some)
        with monkeypatch.context() as patch:
            patch.setattr(stats, "MOST_EXACT", 2)
            drawn = stats.diagonal_permutation_test(matrix, some)
        assert 0.02 < exact < 0.9
        error = np.sqrt(exact * (1 - exact) / stats.DRAWS)
        assert abs(drawn - exact) < 4 * error


def test_the_test_of_all_members_exchanges_in_each_of_them_within_categories(whole):
    found = effects.effects(whole, "student_trait")
    # Owl and wolf can be exchanged, oak with nothing: two matchings of each member.
    n = len(found.members)
    assert found.p_value(3) == pytest.approx(1 / 2) and found.n_matchings == 2**n
    assert found.p_value() == pytest.approx(1 / 2**n)
    one = Effects(found.traits, found.measures, found.members, found.values.copy())
    one.values[3] = -one.values[3]
    assert (one.p_value(3), one.p_value(2)) == (1.0, 0.5)
    own, other = (one.values[:, [0, 1, 2], list(c)].sum(axis=1) for c in ((0, 1, 2), (1, 0, 2)))
    sums = [sum(chosen) for chosen in itertools.product(*zip(own, other, strict=True))]
    expected = np.mean(np.array(sums) >= own.sum() - 1e-12)
    assert one.p_value() == pytest.approx(expected) and 1 / 2**n < expected < 1


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
    assert stats.clustered_interval(values, np.arange(6) // 3) == stats.mean_interval(values)
    three = stats.clustered_interval(values, np.arange(6) // 2)
    assert three == pytest.approx(stats.mean_interval(np.array([0.5, 2.5, 4.5])))
