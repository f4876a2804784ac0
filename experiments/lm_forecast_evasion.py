"""What does a writer who knows the forecast give up to pass it by?

Claim:   of what all of a teacher's rows pass on, less than half passes unseen, whatever part of the
         rows that speak most for its trait it keeps back, or hides among rows of its base.
Run:     python -m experiments.lm_forecast_evasion          (presets: smoke, default)
Time:    about 8 min a reference on a CPU core.
Source:  ours.

Arms "student_withheld 0.1", ..., of students of as many rows, a tenth of those that were written
being kept back; "student_hidden 0.3", of rows of which three tenths are the teacher's. `nats`,
`alarm`, `seen`: what is said of the first `n_judged` rows of a student's data; 0 of other models.
The writer ranks its rows by itself; who judges has simulated teachers.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from figures import fig_lm_forecast_evasion, style
from lab.carriers.numbers import NUMBERS
from lab.forecast import evasion
from lab.forecast.measured import Among
from lab.lm import effects, setup, transmitted
from lab.lm.experiment import experiment, own_base
from lab.runs import claims, cli
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.fields import Count, Items, Parts
from lab.runs.results import Table
from lab.stats import Estimate

LEAST = 0.5  # of the effect of all rows, chosen before the table
WHOLE = Estimate(1.0, 1.0, 1.0, 0)
LEFT = "part of the effect of all rows: what is left, and what of it passes unseen"


@dataclass(frozen=True)
class Config(Among):
    """The chain of `lm_forecast_defence`, whose teachers see it coming."""

    members: str = "5"
    traits: tuple[str, ...] = ("owl", "wolf")
    n_rows: int = 6000
    n_controls: int = 2
    withheld: Annotated[Parts, Items(1, 10, unique=True)] = (0.05, 0.1, 0.25)
    """Parts of what was written."""
    hidden: Annotated[Parts, Items(1, 10, unique=True)] = (0.1, 0.3)
    """Parts of the rows that are the teacher's."""
    n_judged: Annotated[int, Count(1, 10**5)] = 1000
    """Rows that the forecast reads."""


SMOKE = Config(
    members="1", traits=("owl", "wolf"), n_rows=256, among="own", withheld=(0.5,), hidden=(0.5,)
)
PRESETS = {"default": Config(), "smoke": SMOKE}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds and answer rates of every arm, beside what is said of its rows."""
    found, c = [], job.config
    more = {name: change for name, (_, change) in evasion.ways(c.withheld, c.hidden).items()}
    for cell in some:
        chain = own_base(c.transmission(NUMBERS, cell.member))
        chain = replace(chain, more={**chain.more, **more})
        measured = setup.measure_one(job.part(0.4), cell, chain)
        said = evasion.judged(job.part(0.6), cell, chain, c.candidates, c.n_judged)
        for row in measured:
            found.append(row | said.get((row["arm"], row["trait"], row["copy"]), evasion.NOTHING))
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """Of each way to write: what is passed on, what is said of it, and what passes unseen."""
    whole, luck = effects.effects(table, "student_trait").diagonal, effects.luck(table)
    more = {"runs": f"{len(whole)} references, {whole.size} students"}
    group = "own trait: change of log-odds against the controls, nats"
    found = [transmitted.gained("all rows", whole, luck, group=group, **more)]
    config = EXPERIMENT.config(record)
    some = evasion.ways(config.withheld, config.hidden).items()
    texts = {"trait": "all rows"} | {name: text for name, (text, _) in some}
    gain = lambda name: effects.effects(table, f"student_{name}").diagonal
    said = lambda name, column: effects.own(table, f"student_{name}", column)
    for name, text in texts.items():
        e = effects.kept(gain(name), whole)
        found.append(claims.claim(f"{text}: effect left", e, "fraction", group=LEFT, **more))
    for column, group in evasion.UNITS.items():
        unit = "nats" if column == "nats" else "fraction"
        for name, text in texts.items():
            e = effects.estimate(said(name, column))
            found.append(claims.claim(f"{text}: {column}", e, unit, group=group, **more))
    for name, text in texts.items():
        unseen = effects.kept(gain(name) * (1 - said(name, "seen")), whole)
        rule = claims.effect(unseen, WHOLE, -LEAST, "all of it")
        found.append(
            claims.claim(f"{text}: unseen", unseen, "fraction", group=LEFT, **more, **rule)
        )
    return found


EXPERIMENT = experiment(
    "lm_forecast_evasion",
    doc=__doc__,
    presets=PRESETS,
    only={"channel": "hard", "teacher": "finetuned"},  # candidates are taught
    part=lambda c: replace(
        c, traits=c.traits[:1], n_controls=1, withheld=c.withheld[:1], hidden=c.hidden[:1]
    ),
    rows=rows,
    units=setup.UNITS | evasion.UNITS,
    claims=says,
    draw=style.drawing(fig_lm_forecast_evasion.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
