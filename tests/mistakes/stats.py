"""Mistakes in statistics: intervals, permutations, correlations."""

from tests.mistakes import Mutant

MUTANTS = {
    "the intervals of clusters lack their correction": Mutant(
        "lab/stats.py",
        "np.sum(sums**2) * len(names) / (len(names) - 1)",
        "np.sum(sums**2)",
        "effects::a_clustered_interval_widens_when_clusters_agree_within",
    ),
    "the values of a cluster count as independent in the t": Mutant(
        "lab/stats.py",
        "half = special.stdtrit(len(names) - 1, (1 + level) / 2) * error",
        "half = special.stdtrit(len(values) - 1, (1 + level) / 2) * error",
        "effects::a_clustered_interval_widens_when_clusters_agree_within",
    ),
    "two clusters have an interval": Mutant(
        "lab/stats.py",
        "if len(names) < 3:",
        "if len(names) < 2:",
        "effects::fewer_than_three_clusters_count_values_as_independent",
    ),
    "the spread of a sample is that of a population": Mutant(
        "lab/stats.py", "np.std(values, ddof=1)", "np.std(values)", "stats::interval_equals_scipys"
    ),
    "an interval is one-sided": Mutant(
        "lab/stats.py",
        "half = special.stdtrit(n - 1, (1 + level) / 2)",
        "half = special.stdtrit(n - 1, level)",
        "stats::interval_equals_scipys",
    ),
    "traits are exchanged across categories": Mutant(
        "lab/stats.py",
        '["one"] * len(matrix) if groups is None else groups',
        '["one"] * len(matrix)',
        "effects::rows_are_matched_within_their_group_alone",
    ),
    "the true matching is not counted": Mutant(
        "lab/stats.py",
        "sums >= np.trace(matrix) - 1e-12",
        "sums > np.trace(matrix) + 1e-12",
        "effects::the_permutation_test_is_smallest_for_a_dominant_diagonal_and_1_for_the_opposite",
    ),
    "the true matching is not among the drawn ones": Mutant(
        "lab/stats.py",
        "sums = np.append(sum(drawn), np.trace(matrix))",
        "sums = sum(drawn)",
        "effects::matchings_of_a_large_group_are_drawn_and_the_true_one_is_counted",
    ),
    "a column is matched twice": Mutant(
        "lab/stats.py",
        "free = (used[:, None] & bits[None]) == 0",
        "free = (used[:, None] & bits[None]) >= 0",
        "effects::the_permutation_test_counts_every_matching",
    ),
    "tied ranks are not shared": Mutant(
        "lab/stats.py",
        "return (below + up_to + 1) / 2",
        "return up_to + 0.0",
        "stats::spearman_and_auroc_equal_scipys",
    ),
}
