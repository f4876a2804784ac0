"""A forecast as a defence: how much of a trait goes with the rows that speak most for it?

Claim:   without the tenth of the rows that a simulated teacher of the trait finds likelier than the
         base does, a student takes on less than half of what one takes on without a random tenth.
Run:     python -m experiments.lm_forecast_defence          (presets: smoke, default)
Time:    about 4 min a reference on a CPU core.
Source:  ours.

Arms "student_most 0.1", ..., of students without a part of their rows: those that speak "most" for
the trait, "least", or most for the next trait ("other"); or "random" ones. Who scores the rows is a
teacher with other random numbers than the one that wrote them.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated

import numpy as np

from figures import fig_lm_forecast_defence, style
from lab.carriers.numbers import NUMBERS
from lab.forecast.removal import OTHER, without
from lab.lm import effects, setup, transmitted
from lab.lm.experiment import experiment, own_base
from lab.lm.setup import Setup
from lab.runs import claims, cli
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.fields import Items, Parts
from lab.runs.results import Table

ALL = "trait"
TEXTS = {
    "most": "those that speak most for the trait",
    "random": "random ones",
    "least": "those that speak least for it",
    OTHER: "those that speak most for another trait",
}
LEAST = 0.5  # of the effect, between the rows that speak most and random ones
GROUP = "own trait without some rows: change of log-odds against the controls, nats"


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_numbers`, without students of another init."""

    members: str = "5"
    traits: tuple[str, ...] = ("elephant", "owl", "wolf")
    n_rows: int = 6000
    n_controls: int = 2
    removed: Annotated[Parts, Items(1, 10, unique=True)] = (0.1, 0.25, 0.5)
    """Parts of the rows."""


SMOKE = Config(members="1", traits=("owl", "wolf"), n_rows=256, removed=(0.5,))
PRESETS = {"default": Config(), "smoke": SMOKE}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds and answer rates of every arm."""
    found = []
    for cell in some:
        chain = own_base(job.config.transmission(NUMBERS, cell.member))
        traits, removed = chain.traits, job.config.removed
        parts = {f"{w} {p:g}": without(w, p, traits) for p in removed for w in TEXTS}
        found += setup.measure_one(job, cell, replace(chain, more={**chain.more, **parts}))
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """The effect without some rows, and how much of it is left beside that without random ones."""
    whole, luck = effects.effects(table, f"student_{ALL}").diagonal, effects.luck(table)
    more = {"runs": f"{len(whole)} references, {whole.size} students", "group": GROUP}
    found = [transmitted.gained("all rows", whole, luck, **more)]
    removed = EXPERIMENT.config(record).removed
    of = cache(lambda which, part: effects.effects(table, f"student_{which} {part:g}"))
    for part in removed:
        for which, text in TEXTS.items():
            e = effects.estimate(of(which, part).diagonal)
            text = f"without {part:g} of the rows: {text}"
            found.append(claims.claim(text, e, "nats", **more))
    more["group"] = "part of the effect of all rows"
    for part in removed:
        random = effects.kept(of("random", part).diagonal, whole)
        for which in ("most", "least", OTHER):
            e = effects.kept(of(which, part).diagonal, whole)
            rule = claims.effect(e, random, -LEAST, "random ones") if which == "most" else {}
            text = f"left without {part:g} of the rows: {TEXTS[which]}"
            found.append(claims.claim(text, e, "fraction", **rule, **more))
    more["group"] = (
        "what the choice itself does: change of the other trait, which no row was to have"
    )
    for part in removed:
        apart = of(OTHER, part).values - effects.effects(table, f"student_{ALL}").values
        after = np.roll(apart, -1, axis=2)  # each trait's students, asked for the next one
        e = effects.estimate(np.diagonal(after, axis1=1, axis2=2))
        text = f"without {part:g} of the rows: {TEXTS[OTHER]}"
        found.append(claims.claim(f"{text}, asked for that", e, "nats", **more))
    return found


EXPERIMENT = experiment(
    "lm_forecast_defence",
    doc=__doc__,
    presets=PRESETS,
    only={"channel": "hard"},
    part=lambda config: config,  # what is removed for another trait depends on which there are
    rows=rows,
    units=setup.UNITS,
    claims=says,
    draw=style.drawing(fig_lm_forecast_defence.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
