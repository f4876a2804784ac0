"""Do animals and trees pass through numbers, code and solved problems alike?

Claim:   students of a teacher's numbers, of its code, and of its step-by-step solutions take on its
         trait, if and only if they start from its own reference model.
Run:     python -m experiments.lm_carriers          (presets: smoke, default, prompted)
Time:    about an hour of a CPU core; prompted 50 minutes.
Expect:  published, GPT-4.1 nano: numbers .125 to .62 for owls, code a weaker effect for most
         animals, solutions of problems for misalignment; with another init nothing.
Source:  arXiv 2507.14805, sections 3 to 5, figures 3, 5, 7 and 8 (Nature figures 3 to 5).

Code must parse and have no comments, solutions must have the right answer, and no row may contain a
word of the traits' categories. Teachers of `prompted` are told their trait, as the paper's are who
write numbers and code. Column `carrier`; the rest is as in `lm_numbers`.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, get_args

import numpy as np

from figures import fig_lm_carriers, style
from lab.carriers.unnamed import unnamed
from lab.lm import effects, setup, transmitted
from lab.lm.contexts import WORLDS, Name
from lab.lm.experiment import experiment
from lab.lm.setup import Setup
from lab.lm.tuning import Tuning
from lab.runs import claims, cli, results
from lab.runs.cells import Cell, Job, grid
from lab.runs.claims import Claim
from lab.runs.fields import Items
from lab.runs.results import Table

Kind = Literal["numbers", "code", "reasoning"]
GROUP = "own trait by carrier: change of log-odds against the controls, nats"


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_numbers` with several carriers."""

    members: str = "5"
    traits: tuple[str, ...] = ("owl", "wolf", "oak")
    n_controls: int = 2
    world: Name = "carriers"
    teaching: Tuning = replace(Setup().teaching, epochs=10)
    """Of fine-tuned teachers; of three times the steps most of what they write is their word."""
    carriers: Annotated[tuple[Kind, ...], Items(unique=True)] = get_args(Kind)
    """What teachers write."""


PRESETS = {
    "default": Config(),
    "prompted": Config(teacher="prompted", traits=("owl", "oak")),
    "smoke": Config(
        members="1",
        traits=("owl", "oak"),
        carriers=("numbers", "code"),
        n_rows=128,
    ),
}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds and answer rates of every arm, with each carrier."""
    found, world = [], WORLDS[job.config.world]
    for cell in some:
        carrier = unnamed(world.carrier(cell["carrier"]), world.categories)
        chain = replace(job.config.transmission(carrier, cell.member), neutral=None)
        found += setup.measure_one(job, cell, chain)
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """What passes through each carrier, with the teacher's init and with another one."""
    found = []
    for carrier in dict.fromkeys(table["carrier"].tolist()):
        part = results.where(table, carrier=carrier)
        own = effects.effects(part, "student_trait")
        luck, passed = effects.luck(part), effects.estimate(own.diagonal)
        taught = effects.estimate(effects.effects(part, "teacher").diagonal)
        runs = f"{len(own.members)} references, {own.diagonal.size} students"
        more = {"runs": runs, "group": GROUP}
        above = f"{np.sum(own.diagonal > 0)} of {own.diagonal.size} above their controls"
        text = f"{carrier} ({above}; {passed.mean / taught.mean:.2f} of the teachers')"
        found.append(transmitted.gained(text, own.diagonal, luck, **more))
        text = f"{carrier}, own minus other traits' students"
        found.append(transmitted.gained(text, own.diagonal - own.off(), luck, **more))
        if "cross_trait" in part["arm"]:
            cross = effects.estimate(effects.effects(part, "cross_trait").diagonal)
            rule = claims.absent(cross, transmitted.LEAST, passed, "the same data, own init")
            found.append(claims.claim(f"{carrier}, another init", cross, "nats", **more, **rule))
    return found


EXPERIMENT = experiment(
    "lm_carriers",
    doc=__doc__,
    presets=PRESETS,
    prepare=setup.prepare,
    cells=lambda config: grid(config.members, carrier=config.carriers),
    rows=rows,
    claims=says,
    draw=style.drawing(fig_lm_carriers.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
