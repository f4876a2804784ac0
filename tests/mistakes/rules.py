"""Mistakes in the rules of verdicts."""

from tests.mistakes import Mutant

MUTANTS = {
    "nothing is found by what finds nothing anywhere": Mutant(
        "lab/runs/claims.py",
        'verdict if seen or verdict != "holds" else "open"',
        "verdict",
        "claims::what_finds_nothing_where_there_is_something_says_nothing",
    ),
    "an effect need not be clear of its null": Mutant(
        "lab/runs/claims.py", "clear = e.low > null.high if", "clear = e.low > 0 if", "claims"
    ),
    "any difference matters": Mutant(
        "lab/runs/claims.py", "(apart >= abs(least))", "(apart > 0)", "claims"
    ),
    "an effect of the other sign is one": Mutant(
        "lab/runs/claims.py",
        "apart = sign * (e.mean - null.mean)",
        "apart = abs(e.mean - null.mean)",
        "claims",
    ),
    "nothing is a mean near 0": Mutant(
        "lab/runs/claims.py",
        "elif -within <= e.low and e.high <= within:",
        "elif abs(e.mean) <= within:",
        "claims",
    ),
    "an interval with 0 in it refutes nothing": Mutant(
        "lab/runs/claims.py",
        "abs(e.mean) > within and not e.low <= 0 <= e.high",
        "abs(e.mean) > within",
        "claims",
    ),
    "any number above chance reproduces in part": Mutant(
        "lab/runs/claims.py", "/ (mean - chance) >= 0.5", "/ (mean - chance) >= 0.0", "claims"
    ),
    "too few runs reproduce": Mutant(
        "lab/runs/claims.py", '"open" if _lacks(e) or vague', '"open" if _lacks(e)', "claims"
    ),
    "a single run has a verdict": Mutant(
        "lab/runs/claims.py",
        "any(math.isnan(x) for x in (e.mean, e.low, e.high))",
        "math.isnan(e.mean)",
        "claims",
    ),
}
