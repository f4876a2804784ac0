"""Mistakes in detectors: who writes, who judges, and on which rows."""

from tests.mistakes import Mutant

MUTANTS = {
    "detectors are tried on the rows that they learned": Mutant(
        "lab/lm/detection.py",
        "seed=data.seed._replace(copy=FRESH + i)",
        "seed=data.seed",
        "detectors::detectors_learn_what_the_writers_wrote_and_are_tried_on_fresh_rows",
    ),
    "who judges is of the writers' own initialisation": Mutant(
        "lab/lm/detection.py",
        'start = of.starts["cross"]',
        'start = of.starts["student"]',
        "detectors::detectors_learn_what_the_writers_wrote_and_are_tried_on_fresh_rows",
    ),
    "a told writer reads without its prompt": Mutant(
        "lab/lm/detection.py",
        'systems = [getattr(data.teacher, "system", of.system) for data in (a, b)]',
        "systems = [of.system for data in (a, b)]",
        "detectors::detectors_learn_what_the_writers_wrote_and_are_tried_on_fresh_rows",
    ),
    "unfiltered rows are filtered": Mutant(
        "lab/lm/detection.py",
        "(replace(d, carrier=free) for d in (data, plain))",
        "(replace(d, n_rows=d.n_rows) for d in (data, plain))",
        "detectors::unfiltered_rows_are_all_that_the_same_writers_wrote",
    ),
    "d' is of the sum of two variances": Mutant(
        "lab/lm/detectors.py",
        "spread = np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2)",
        "spread = np.sqrt(np.var(a, ddof=1) + np.var(b, ddof=1))",
        "detectors::pools_of_normal_scores_are_told_apart_as_their_sensitivity_says",
    ),
}
