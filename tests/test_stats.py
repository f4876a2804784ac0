import numpy as np
import scipy.stats

from lab import stats


def test_interval_equals_scipys():
    values = np.array([0.4, 0.5, 0.55, 0.61])
    mean, low, high = stats.mean_interval(values)
    expected = scipy.stats.t.interval(0.95, 3, values.mean(), scipy.stats.sem(values))
    np.testing.assert_allclose((mean, low, high), (values.mean(), *expected), rtol=1e-12)


def test_interval_covers_the_mean_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(size=(4000, 5))
    covered = [low <= 0 <= high for _, low, high in map(stats.mean_interval, draws)]
    assert abs(np.mean(covered) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 4000)


def test_one_run_has_no_interval():
    mean, low, high = stats.mean_interval(np.array([0.3]))
    assert mean == 0.3
    assert np.isnan(low)
    assert np.isnan(high)


def test_spearman_and_auroc_equal_scipys():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 9, 60).astype(float)  # with ties
    y = x + rng.normal(size=60) * 3
    np.testing.assert_allclose(stats.spearman(x, y), scipy.stats.spearmanr(x, y).statistic)
    positive = y > 4
    u = scipy.stats.mannwhitneyu(x[positive], x[~positive]).statistic
    expected = u / (positive.sum() * (~positive).sum())
    np.testing.assert_allclose(stats.auroc(x, positive), expected)


def test_what_predicts_perfectly_or_says_nothing():
    x = np.arange(10.0)
    assert stats.spearman(x, np.exp(x)) == 1
    assert stats.spearman(x, -x) == -1
    assert stats.auroc(x, x > 6) == 1
    assert stats.auroc(np.zeros(10), x > 6) == 0.5
    assert np.isnan(stats.spearman(x, np.zeros(10)))
    assert np.isnan(stats.auroc(x, x > 99))


def test_bootstrap_interval_covers_a_correlation_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(100):
        x = rng.normal(size=40)
        y = x + rng.normal(size=40)  # Pearson .707, Spearman of that normal pair .690
        found = stats.bootstrap(stats.spearman, x, y, draws=200)
        covered.append(found.low <= 0.690 <= found.high)
    assert abs(np.mean(covered) - 0.95) < 0.08


def test_partial_correlation_equals_the_formula_of_three_correlations():
    # By hand: r(x, z) = r(y, z) = .8 and r(x, y) = .6, so (.6 - .64) / .36 = -1/9.
    x, y, z = (np.array(v, float) for v in ([1, 2, 4, 3], [2, 1, 3, 4], [1, 2, 3, 4]))
    np.testing.assert_allclose(stats.partial_spearman(x, y, z), -1 / 9)
    rng = np.random.default_rng(0)
    z = rng.integers(0, 9, 60).astype(float)  # with ties
    x, y = z + rng.normal(size=60), np.exp(z + 2 * rng.normal(size=60))
    xy, xz, yz = stats.spearman(x, y), stats.spearman(x, z), stats.spearman(y, z)
    expected = (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))
    np.testing.assert_allclose(stats.partial_spearman(x, y, z), expected)
    assert expected < 0.5 * xy


def test_of_a_predictor_that_others_determine_nothing_is_left():
    x = np.arange(20.0)
    y = np.random.default_rng(0).normal(size=20)
    assert np.isnan(stats.partial_spearman(x, y, np.exp(x)))
    np.testing.assert_allclose(stats.partial_spearman(x, y), stats.spearman(x, y))


def test_the_best_of_many_predictors_beats_its_luck_in_one_table_of_twenty():
    rng = np.random.default_rng(2)
    beaten = []
    for _ in range(60):
        y, *many = rng.normal(size=(6, 30))
        null = stats.luck(stats.spearman, many, y, draws=60)
        beaten.append(max(abs(stats.spearman(x, y)) for x in many) > null.high)
        assert null.low == -null.high
    assert np.mean(beaten) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60) + 1 / 60
    one = stats.luck(stats.spearman, many[:1], y, draws=60)
    assert one.high < null.high


def test_a_ratio_of_means_lies_in_its_interval_as_often_as_it_says():
    rng, hits, n = np.random.default_rng(5), 0, 1000
    for _ in range(n):
        whole = 2 + rng.normal(size=8) / 2
        found = stats.ratio_estimate(0.3 * whole + rng.normal(size=8) / 10, whole)
        hits += found.low <= 0.3 <= found.high
    assert 0.92 < hits / n < 0.98


def test_a_ratio_is_of_means_and_one_run_has_no_interval_and_nothing_no_ratio():
    found = stats.ratio_estimate(np.array([0.1, 0.2]), np.array([0.2, 0.8]))
    np.testing.assert_allclose(found.mean, 0.3)
    assert found.low < 0.3 < found.high
    one = stats.ratio_estimate(np.array([0.1]), np.array([0.4]))
    assert (one.mean, np.isnan(one.low)) == (0.25, True)
    assert np.isnan(stats.ratio_estimate(np.ones(3), np.zeros(3)).mean)
