"""Intervals over independent runs, and how well one number predicts another."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy import special


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its 95 % interval, over n independent runs."""

    mean: float
    low: float
    high: float
    n: int


def mean_estimate(values: Float[np.ndarray, "n"]) -> Estimate:
    """Mean of independent runs with its Student t interval."""
    return Estimate(*mean_interval(values), len(values))


def mean_interval(
    values: Float[np.ndarray, "n"], level: float = 0.95
) -> tuple[float, float, float]:
    """Mean and the two ends of its Student t interval; the ends are nan for fewer than two runs."""
    n = len(values)
    mean = float(np.mean(values))
    if n < 2:
        return mean, float("nan"), float("nan")
    half = special.stdtrit(n - 1, (1 + level) / 2) * np.std(values, ddof=1) / np.sqrt(n)
    return mean, mean - float(half), mean + float(half)


def part_of(part: Float[np.ndarray, "n"], whole: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """part / whole, run by run; nan where there is nothing to be a part of."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole != 0)


def ratio_estimate(part: Float[np.ndarray, "n"], whole: Float[np.ndarray, "n"]) -> Estimate:
    """Mean part over mean whole of the same runs, with the t interval of the delta method.

    It is too narrow where the mean whole is not far from 0 in its own standard errors; all of it is
    nan where that is 0.
    """
    if np.mean(whole) == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), len(part))
    ratio = float(np.mean(part) / np.mean(whole))
    _, low, high = mean_interval((part - ratio * whole) / np.mean(whole))
    return Estimate(ratio, ratio + low, ratio + high, len(part))


def clustered_interval(
    values: Float[np.ndarray, "n"], clusters: Integer[np.ndarray, "n"], level: float = 0.95
) -> tuple[float, float, float]:
    """Mean and t interval of values that are alike within a cluster, with G - 1 degrees of freedom.

    The standard error is the cluster-robust one with its G / (G - 1) correction. With fewer than
    three clusters it cannot be had, and the values count as independent of each other.
    """
    names, index = np.unique(clusters, return_inverse=True)
    if len(names) < 3:
        return mean_interval(values, level)
    mean = float(np.mean(values))
    sums = np.bincount(index, values - mean)
    error = np.sqrt(np.sum(sums**2) * len(names) / (len(names) - 1)) / len(values)
    half = special.stdtrit(len(names) - 1, (1 + level) / 2) * error
    return mean, mean - float(half), mean + float(half)


MOST_EXACT = 50_000  # matchings that are all counted
DRAWS = 100_000  # matchings that are drawn where there are more


def n_matchings(groups: Sequence[str]) -> int:
    """How many matchings there are of rows to columns of their own group."""
    return math.prod(math.factorial(groups.count(name)) for name in set(groups))


def diagonal_permutation_test(
    matrix: Float[np.ndarray, "T T"], groups: Sequence[str] | None = None
) -> float:
    """How often a random matching of rows to columns has a sum as large as the diagonal's.

    Rows are matched to columns of their own group alone (default: one group). Exact: all matchings
    are counted, the true one among them, so that 5 traits cannot give less than 1/120. If there
    are more than `MOST_EXACT`, `DRAWS` of them are drawn, and the true one is counted too.
    """
    names = np.array(["one"] * len(matrix) if groups is None else groups)
    parts = [matrix[np.ix_(names == g, names == g)] for g in dict.fromkeys(names)]
    sums = np.zeros(1)
    if n_matchings(names.tolist()) > MOST_EXACT:
        rng = np.random.default_rng(0)
        columns = [np.argsort(rng.random((DRAWS, len(part))), axis=1) for part in parts]
        drawn = [p[np.arange(len(p)), c].sum(axis=1) for p, c in zip(parts, columns, strict=True)]
        sums = np.append(sum(drawn), np.trace(matrix))
    else:
        for part in parts:
            sums = np.add.outer(sums, _matchings(part)).ravel()
    return float(np.mean(sums >= np.trace(matrix) - 1e-12))


def _matchings(matrix: Float[np.ndarray, "T T"]) -> Float[np.ndarray, "n"]:
    """Sums of all matchings, a row at a time: `used` holds the columns taken, as bits."""
    n = len(matrix)
    used, sums = np.zeros(1, np.int64), np.zeros(1)
    for row in matrix:
        bits = 1 << np.arange(n)
        free = (used[:, None] & bits[None]) == 0
        sums = (sums[:, None] + row[None])[free]
        used = (used[:, None] | bits[None])[free]
    return sums


def ranks(values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """1 for the smallest; equal values share the mean of their ranks."""
    order = np.sort(values)
    below, up_to = (np.searchsorted(order, values, side) for side in ("left", "right"))
    return (below + up_to + 1) / 2


def spearman(x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]) -> float:
    """Spearman's rank correlation; nan if either is constant."""
    a, b = ranks(x) - (len(x) + 1) / 2, ranks(y) - (len(y) + 1) / 2
    length = np.sqrt(np.sum(a**2) * np.sum(b**2))
    return float(np.sum(a * b) / length) if length > 0 else float("nan")


def auroc(score: Float[np.ndarray, "n"], positive: Bool[np.ndarray, "n"]) -> float:
    """Probability that a positive case scores above a negative one, ties half; nan without both."""
    n_positive, n_negative = int(np.sum(positive)), int(np.sum(~positive))
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    above = np.sum(ranks(score)[positive]) - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def bootstrap(
    statistic: Callable[..., float], *columns: np.ndarray, level: float = 0.95, draws: int = 1000
) -> Estimate:
    """A statistic of paired columns, with its percentile interval over redrawn rows.

    Draws on which the statistic is nan are left out.
    """
    rng = np.random.default_rng(0)
    n = len(columns[0])
    rows = (rng.integers(0, n, n) for _ in range(draws))
    found = np.array([statistic(*(column[i] for column in columns)) for i in rows])
    found = found[~np.isnan(found)]
    ends = np.quantile(found, [(1 - level) / 2, (1 + level) / 2]) if len(found) else [np.nan] * 2
    return Estimate(statistic(*columns), float(ends[0]), float(ends[1]), n)


def rank_residuals(
    values: Float[np.ndarray, "n"], *given: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n"]:
    """What is left of the ranks of `values` by least squares on the ranks of others."""
    (left,) = _residuals([values], given)
    return left


def _residuals(columns: Sequence[np.ndarray], given: Sequence[np.ndarray]) -> list[np.ndarray]:
    known = np.stack([np.ones(len(columns[0])), *map(ranks, given)], axis=1)
    left = lambda y: y - known @ np.linalg.lstsq(known, y, rcond=None)[0]
    return [left(ranks(values)) for values in columns]


def partial_spearman(
    x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"], *given: Float[np.ndarray, "n"]
) -> float:
    """Spearman's correlation of x and y that is not by way of `given`; nan if nothing is left."""
    a, b = _residuals([x, y], given)
    least = 1e-9 * len(x)  # of a column that the others determine, rounding alone is left
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    return float(a @ b / np.prod(lengths)) if min(lengths) > least else float("nan")


def luck(
    statistic: Callable[..., float],
    predictors: Sequence[np.ndarray],
    y: np.ndarray,
    chance: float = 0.0,
    level: float = 0.95,
    draws: int = 1000,
) -> Estimate:
    """What the best of several predictors reaches if none says anything about y.

    Around `chance`, the `level` quantile, over permutations of y, of the statistic that is furthest
    from it; so that among many predictors one stands out by luck in 1 - `level` of all tables.
    """
    rng = np.random.default_rng(0)
    shuffled = [rng.permutation(y) for _ in range(draws)]
    away = np.array([[abs(statistic(x, z) - chance) for x in predictors] for z in shuffled])
    half = float(np.quantile(np.nan_to_num(away).max(axis=1), level))
    return Estimate(chance, chance - half, chance + half, len(y))
