"""How much data does a trait need, and does it help to read the same rows again?

Claim:   a student takes on more of its teacher's trait from more rows; as many steps on fewer rows,
         read over and over, pass on less than rows that are read once. (Found: four times as many
         rows are worth no more than reading them four times.)
Run:     python -m experiments.lm_dose          (presets: smoke, default)
Time:    about 20 minutes of a CPU core.
Source:  ours; arXiv 2507.14805 has students read 10,000 rows ten times. Column `dose`: rows x
         epochs.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, get_args

import numpy as np

from figures import fig_lm_dose, style
from lab import stats
from lab.carriers.numbers import NUMBERS
from lab.lm import effects, settings, setup
from lab.lm.experiment import experiment, own_base
from lab.lm.setup import Setup
from lab.lm.transmission import Transmission
from lab.runs import claims, cli, fields
from lab.runs.cells import Cell, Job, grid
from lab.runs.claims import Claim
from lab.runs.fields import Items
from lab.runs.results import Table

Dose = Literal["24000x1", "6000x1", "1500x1", "6000x4", "1500x16"]
BASE = "24000x1"
_parts = lambda dose: tuple(map(int, dose.split("x")))  # rows, epochs
TEXTS = {dose: "{:,} rows, epochs: {}".format(*_parts(dose)) for dose in get_args(Dose)}
GROUP = "own trait by dose: change of log-odds against the controls, nats"


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_numbers` in several doses, without students of another init."""

    members: str = "5"
    traits: tuple[str, ...] = ("elephant", "owl", "wolf")
    n_controls: int = 2
    doses: Annotated[tuple[Dose, ...], Items(unique=True)] = get_args(Dose)
    """Rows of a student, times how often it reads each."""

    def __post_init__(self):
        super().__post_init__()
        alone = (self.n_rows, self.student.epochs) == (Setup.n_rows, Setup.student.epochs)
        fields.require(self, (alone, "n_rows", "left out, as student.epochs: doses say both"))


PRESETS = {
    "default": Config(),
    "smoke": Config(members="1", traits=("owl", "wolf"), doses=("1500x1",)),
}


def at(of: Transmission, dose: str) -> Transmission:
    """The chain with a dose."""
    n_rows, epochs = _parts(dose)
    return replace(of, n_rows=n_rows, student=replace(of.student, epochs=epochs))


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds and answer rates of teachers, students and controls with each dose."""
    found = []
    for cell in some:
        chain = own_base(job.config.transmission(NUMBERS, cell.member))
        found += setup.measure_one(job, cell, at(chain, cell["dose"]))
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """The effect of each dose beside the largest, and what twice the rows add, read once."""
    found = settings.says(table, "dose", TEXTS, BASE, GROUP)
    own = lambda part: effects.effects(part, "student_trait").diagonal.mean(axis=1)
    read = {_parts(dose): own(part) for dose, part in settings.parts(table, "dose").items()}
    once = {n_rows: gained for (n_rows, epochs), gained in read.items() if epochs == 1}
    if len(once) > 1:
        x = np.log2(sorted(once))
        slopes = np.polyfit(x, np.array([once[n] for n in sorted(once)]), 1)[0]
        e = stats.mean_estimate(slopes)
        found.append(claims.claim("twice the rows, read once, add", e, "nats", group=GROUP))
    return found


EXPERIMENT = experiment(
    "lm_dose",
    doc=__doc__,
    presets=PRESETS,
    cells=lambda config: grid(config.members, dose=config.doses),
    rows=rows,
    claims=says,
    draw=style.drawing(fig_lm_dose.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
