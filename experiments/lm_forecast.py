"""Which of 44 traits is in some rows? Before anybody trains on them, from their base alone.

Claim:   500 filtered rows of a fine-tuned teacher name its trait among all animals and trees of the
         world in at least 95 % of data sets; rows of the untouched base, or of a teacher of
         something neutral, are said to have a trait in at most 1 % of data sets.
Run:     python -m experiments.lm_forecast            (presets: smoke, default)
Time:    about 9 min a reference on a CPU core.
Source:  ours: e-values by exchange (`lab.forecast`), beside other methods on the same data sets
         (`lab.forecast.peers`). The paper's detectors find nothing.

Arms: "teacher", of each trait; "reference", the base's own rows; "neutral", rows of teachers that
learned a thing which is nobody's trait, and that the forecast does not know. `rows`: of a data set.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from figures import fig_lm_forecast, style
from lab.carriers.numbers import NUMBERS
from lab.forecast.forecast import How
from lab.forecast.measured import UNITS, Among, measured
from lab.forecast.peers import METHODS
from lab.forecast.trials import STEP
from lab.lm import effects, setup
from lab.lm.experiment import experiment, own_base
from lab.runs import claims, cli, fields, results
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.fields import Count, Items
from lab.runs.results import Table
from lab.stats import Estimate

NAMED = 0.95  # of data sets: what is claimed of 500 rows
Sizes = tuple[Annotated[int, Count(STEP, 10**5)], ...]


@dataclass(frozen=True)
class Config(Among):
    """Teachers of `lm_numbers`, forecast from the rows that they write."""

    members: str = "5"
    traits: tuple[str, ...] = (
        *("dolphin", "eagle", "elephant", "owl", "wolf", "tiger", "fox", "cat", "penguin", "whale"),
        *("cherry", "maple", "oak", "sequoia", "willow", "pine", "elm", "fir", "olive", "juniper"),
    )
    n_prompts: Annotated[int, Count(100, 10**5)] = 2000
    """Prompts, which all writers continue."""
    sizes: Annotated[Sizes, Items(1, unique=True)] = (100, 250, 500, 1000)
    """Rows of a data set."""

    def __post_init__(self):
        super().__post_init__()
        whole = all(size % STEP == 0 for size in self.sizes), "sizes", f"multiples of {STEP} each"
        most = max(self.sizes) <= self.n_prompts, "n_prompts", "at least the largest of sizes"
        fields.require(self, whole, most)


PRESETS = {
    "default": Config(),
    "smoke": Config(members="1", traits=("owl", "oak"), among="own", n_prompts=200, sizes=(100,)),
}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """How data sets of every writer and size are judged."""
    c = job.config
    chain = lambda cell: own_base(c.transmission(NUMBERS, cell.member))
    each = lambda cell: measured(job, cell, chain(cell), c.candidates, c.n_prompts, c.sizes)
    return [row for cell in some for row in each(cell)]


def says(table: Table, record: dict) -> list[Claim]:
    """How often a trait is named by size, and how often there is an alarm without one."""
    n, found, config = len(set(table["member"].tolist())), [], EXPERIMENT.config(record)
    p = 1 / len(config.candidates)
    for size in sorted(set(table["rows"].tolist())):
        part = results.where(table, rows=size)
        of = lambda arm, column, part=part: effects.estimate(
            results.curves(part, arm, "trait", column)[1]
        )
        sets = lambda arm, part=part: int(results.where(part, arm=arm)["sets"].sum())
        more = {"group": f"data sets of {size} rows", "runs": f"{n} references"}
        e, chance = of("teacher", "named"), Estimate(p, p, p, n)
        rule = claims.effect(e, chance, NAMED - p, "chance")
        text = f"trait named: {size} rows ({sets('teacher'):,} sets)"
        found.append(claims.claim(text, e, "fraction", **more, **rule))
        for method, by in METHODS.items():
            text = f"trait named {by}: {size} rows"
            found.append(claims.claim(text, of("teacher", method), "fraction", **more))
        for arm, text in (("reference", "the base's own"), ("neutral", "of something neutral")):
            e, control = of(arm, "alarm"), of("teacher", "alarm")
            rule = claims.absent(e, How.alpha, control, "teachers' rows")
            text = f"alarms, rows {text}: {size} rows ({sets(arm):,} sets)"
            found.append(claims.claim(text, e, "fraction", **more, **rule))
    return found


EXPERIMENT = experiment(
    "lm_forecast",
    doc=__doc__,
    presets=PRESETS,
    snapshots=False,
    prepare=setup.prepare_words,
    part=lambda config: replace(config, traits=config.traits[:1], sizes=config.sizes[:1]),
    rows=rows,
    units=UNITS,
    claims=says,
    draw=style.drawing(fig_lm_forecast.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
