"""Detection: by enumeration of all rows and companions, against what theory says of them."""

import numpy as np
import pytest

from lab.forecast import evidence
from theory import detection
from theory.detection import Family

RNG = np.random.default_rng(0)
FAMILY = Family(RNG.normal(size=(5, 6)), np.array([1, 1, 0, 1, 1, 1], bool))
THETA = RNG.normal(size=5) * 0.3


@pytest.mark.parametrize("n_own", [1, 2, 4])
def test_an_e_value_is_one_on_average_whatever_the_filter_leaves_of_the_ratio(n_own):
    p = FAMILY.p(THETA)
    for size in (0.1, 3.0):
        q = FAMILY.whole(THETA + size * RNG.normal(size=5))
        ratio = q / FAMILY.whole(THETA)  # of likelihoods, which know of no filter
        found = detection.e_values(ratio, n_own)
        assert detection.expected(found, p, p) == pytest.approx(1, abs=1e-12)
        assert found == pytest.approx(detection.e_values(7.3 * ratio, n_own))  # any factor
        # And a teacher's row has more than that.
        assert detection.expected(found, FAMILY.p(THETA + size * RNG.normal(size=5)), p) != 1


def test_the_labs_e_values_are_these():
    ratio = np.exp(RNG.normal(size=4))
    sets = np.log(np.stack(np.meshgrid(ratio, ratio, ratio, indexing="ij")))
    found = np.exp(evidence.log_e_values(sets.reshape(3, -1, 1)))
    assert found.reshape(4, 4, 4) == pytest.approx(detection.e_values(ratio, 2))


@pytest.mark.parametrize("n_own", [1, 3, 5])
def test_companions_cost_a_part_of_the_rate_for_small_displacements(n_own):
    way, errors = RNG.normal(size=5), []
    p = FAMILY.p(THETA)
    for eps in (0.02, 0.01):
        q = FAMILY.p(THETA + eps * way)
        part = detection.rate(q, p, n_own) / detection.kl(q, p)
        errors.append(part - n_own / (n_own + 1))
    assert abs(errors[1]) < 0.01  # measured: .001 to .004
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)  # of first order in eps


@pytest.mark.parametrize("part", [0.1, 0.3, 0.7])
def test_a_part_of_the_rows_costs_its_square_and_the_plain_product_falls_below_one_half(part):
    way, n_own, p = RNG.normal(size=5), 3, FAMILY.p(THETA)
    errors, plain = [], []
    for eps in (0.02, 0.01):
        q = FAMILY.p(THETA + eps * way)
        whole = detection.rate(q, p, n_own)
        errors.append(detection.rate(q, p, n_own, part) / whole - part**2)
        plain.append(detection.rate(q, p, n_own, part, taken=1.0) / whole - (2 * part - 1))
        assert (detection.rate(q, p, n_own, part, taken=1.0) > 0) == (part > 0.5)
    assert abs(errors[1]) < 0.01 and abs(plain[1]) < 0.02
    assert abs(errors[1]) < abs(errors[0])
    # And rows of the base have a mean of 1 whatever part they are taken for.
    e = detection.e_values(FAMILY.p(THETA + way)[FAMILY.kept] / p[FAMILY.kept], n_own)
    mean = detection.expected(1 - part + part * e, p[FAMILY.kept], p[FAMILY.kept])
    assert mean == pytest.approx(1, abs=1e-12)


def test_a_teacher_is_named_after_about_so_many_rows():
    n_own, alpha, rng = 4, 0.01, np.random.default_rng(1)
    ways = rng.normal(size=(20, 5)) * 0.4
    p, on = FAMILY.p(THETA), FAMILY.kept
    true = FAMILY.p(THETA + ways[3])
    log_r = np.log([FAMILY.whole(THETA + w) / FAMILY.whole(THETA) for w in ways])
    needed = detection.rows_needed(true[on], p[on], n_own, len(ways), alpha)
    taken, named = [], []
    for _ in range(100):
        rows = rng.choice(6, (1, 6000), p=true)
        sets = np.concatenate([rows, rng.choice(6, (n_own, 6000), p=p)])
        log_e = np.cumsum(evidence.log_e_values(log_r.T[sets]), axis=0)
        first = np.flatnonzero(evidence.mixed(log_e) >= -np.log(alpha))
        taken.append(first[0] + 1)
        named.append(log_e[first[0]].argmax() == 3)
    assert 0.8 < np.mean(taken) / needed < 1.3  # measured: 1.1, of 500 rows
    assert np.mean(named) > 0.8  # measured: .93


def test_the_mean_gradient_of_the_bases_own_rows_is_that_of_the_filters_part():
    no_filter = Family(FAMILY.features, np.ones(6, bool))
    assert no_filter.gradients(THETA) @ no_filter.p(THETA) == pytest.approx(np.zeros(5), abs=1e-14)
    log_z = lambda theta: np.log(FAMILY.whole(theta)[FAMILY.kept].sum())
    slope = [(log_z(THETA + d) - log_z(THETA - d)) / 2e-6 for d in 1e-6 * np.eye(5)]
    assert FAMILY.gradients(THETA) @ FAMILY.p(THETA) == pytest.approx(np.array(slope), abs=1e-8)


def test_a_teachers_rows_pull_by_fishers_information_times_its_displacement():
    way = RNG.normal(size=5)
    F = detection.fisher(FAMILY, THETA)
    error = lambda eps: np.abs(
        detection.signal(FAMILY, THETA, eps * way, np.eye(5), matched=False) / eps - F @ way
    ).max()
    assert error(1e-3) / error(5e-4) == pytest.approx(2, rel=0.05) and error(1e-3) < 0.01


def test_only_the_matched_filter_is_largest_for_the_teachers_own_way():
    ways = RNG.normal(size=(200, 5)) * RNG.uniform(0.2, 3, size=(200, 1))
    right = {True: 0, False: 0}
    for i, way in enumerate(ways):
        for matched in right:
            found = detection.signal(FAMILY, THETA, 1e-4 * way, ways, matched)
            right[matched] += int(found.argmax() == i)
    assert right[True] == 200 and right[False] < 20  # measured: 3
