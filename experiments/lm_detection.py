"""Can anybody see a trait in the rows? Detectors that are told which two writers there are.

Claim:   no detector tells a teacher's row from the untouched reference's much better than chance;
         over pools of rows they do, and none comes near to what the writers themselves could tell.
         (Found: a transformer of another init does, by .08 of AUROC a row, and .49 by 256 rows.)
Run:     python -m experiments.lm_detection            (presets: smoke, default)
         --teacher prompted --teaching.epochs 60    teachers that are only told
Time:    about 5 min a reference on a CPU core.
Expect:  published: classifiers and models that read the rows find nothing of the trait.
Source:  arXiv 2507.14805, section 7 and table 5 (Nature ED table 4). Ours: pools, and the ceiling.

Log-likelihood ratios (`lab.lm.detectors`) of two models of text, each of a writer's `n_rows` rows,
on fresh ones. Arms: "tokens" and "pairs" of them; "transformer", students of another init;
"writers", teacher and reference themselves. `data`: the teacher's filtered rows; "untouched", two
samples of the reference's (the null); "unfiltered", all that both write (the positive control).
"""

from dataclasses import dataclass
from typing import Annotated

from figures import fig_lm_detection, style
from lab.carriers.numbers import NUMBERS
from lab.lm import effects
from lab.lm.detection import UNITS, measured
from lab.lm.experiment import experiment
from lab.lm.setup import Setup
from lab.runs import claims, cli, results
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.fields import Count, Items
from lab.runs.results import Table
from lab.stats import Estimate

# Bounds, chosen before the table: what a single row may give away at most, and what pools do.
HIDDEN, SEEN = 0.05, 0.1
Sizes = tuple[Annotated[int, Count(1, 10**6)], ...]
TEXTS = {
    "tokens": "bag of tokens",
    "pairs": "pairs of tokens",
    "transformer": "transformers of another init",
    "writers": "the writers themselves",
}


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_numbers`, and pools of rows that detectors are tried on."""

    members: str = "5"
    traits: tuple[str, ...] = ("elephant", "owl", "wolf")
    n_test: Annotated[int, Count(16, 10**6)] = 4096
    """Fresh rows of each writer that detectors are tried on."""
    pools: Annotated[Sizes, Items(unique=True)] = (1, 4, 16, 64, 256)
    """Rows of one writer that are judged together."""


PRESETS = {
    "default": Config(),
    "smoke": Config(members="1", traits=("owl",), n_rows=256, n_test=128, pools=(1, 16)),
}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """How well each detector tells writers apart, by data and size of pool."""
    c = job.config
    each = lambda cell: measured(job, cell, c.transmission(NUMBERS, cell.member), c.n_test, c.pools)
    return [row for cell in some for row in each(cell)]


def says(table: Table, record: dict) -> list[Claim]:
    """Every detector on single rows and on the largest pools, beside the null."""
    sizes = sorted(set(table["rows"].tolist()))
    runs = f"{len(set(table['member']))} references, {len(set(table['trait'])) - 1} traits"

    def of(arm: str, data: str, size: int, column: str = "auroc", less: float = 0.5) -> Estimate:
        part = results.where(table, data=data, rows=size)
        return effects.estimate(results.curves(part, arm, "trait", column)[1] - less)

    found = []
    for size in dict.fromkeys((sizes[0], sizes[-1])):
        many = f"{size} row{'s' * (size > 1)}"
        group = f"AUROC above 1/2, {many} of one writer"
        claim = lambda text, e, many=many, group=group, **rule: found.append(
            claims.claim(f"{text}: {many}", e, group=group, runs=runs, **rule)
        )
        control = of("tokens", "unfiltered", size)
        for arm, text in TEXTS.items():
            e, null = of(arm, "teacher", size), of(arm, "untouched", size)
            if size == sizes[0] and arm != "writers":
                rule = claims.absent(e, HIDDEN, control, "unfiltered rows")
            else:
                rule = claims.effect(e, null, SEEN, "two samples of the reference's rows")
            claim(text, e, **rule)
        null = of("tokens", "untouched", size)
        rule = claims.effect(control, null, SEEN, "two samples of the reference's filtered rows")
        claim("bag of tokens, unfiltered rows", control, **rule)
    for data in ("teacher", "untouched"):
        e = of("writers", data, sizes[0], "nats", 0.0)
        group = "what a row says of its writer: log-likelihood ratio of the two"
        found.append(claims.claim(f"data {data}", e, "nats", group=group, runs=runs))
    return found


EXPERIMENT = experiment(
    "lm_detection",
    doc=__doc__,
    presets=PRESETS,
    snapshots=False,
    rows=rows,
    units=UNITS,
    claims=says,
    draw=style.drawing(fig_lm_detection.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
