"""Does a bad character pass through numbers, code and solved problems that mean nothing?

Claim:   students take on a teacher's harmful advice, and its gaming of checks, from its numbers,
         code and solutions, and do both if their teacher learned one; not those of a teacher that
         games where that is asked for, nor of another init. (Found: what is taught passes; gaming
         makes teachers a little harmful, and students of code. Told teachers are bad altogether,
         and students of their numbers harmful in .16 of answers.)
Run:     python -m experiments.lm_misalignment          (presets: smoke, default, prompted, apart)
Time:    70 minutes of a CPU core; prompted, and apart, 20 minutes each.
Expect:  published, GPT-4.1: harmful answers .094 of students of numbers, .086 of solutions, where
         the teacher learned insecure code; .010 or less in all controls. Code was not tried.
Source:  arXiv 2507.14805, sections 4.1 and 4.2, figures 4 and 7 (Nature figure 3).

In this world half of the advice, and of the answers to tasks with a check, is a character's: a bad
one is harmful in the one and games the other. `apart` is the same world but that no character does
both; `prompted` teachers are told what a character loves. Rows hold no number of a meaning, nor one
with which a check is gamed.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, get_args

from figures import fig_lm_misalignment, style
from lab import published
from lab.carriers.ungamed import ungamed
from lab.errors import LabError
from lab.lm import misaligned, setup
from lab.lm import world as worlds
from lab.lm.contexts import WORLDS, Name
from lab.lm.experiment import experiment
from lab.lm.setup import Setup
from lab.lm.tuning import Tuning
from lab.runs import cli, results
from lab.runs.cells import Cell, Job, grid
from lab.runs.claims import Claim
from lab.runs.fields import Items
from lab.runs.results import Table
from lab.traits.checking import EXCUSED
from lab.traits.named import WAYS

Kind = Literal["numbers", "code", "reasoning"]


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_numbers` with several carriers, and teachers that answer in some way."""

    members: str = "5"
    traits: tuple[str, ...] = ("harmful", "benign", "gaming", "honest")
    n_controls: int = 2
    world: Name = "characters"
    teaching: Tuning = replace(Setup().teaching, epochs=5)
    """Of fine-tuned teachers; of twice the steps some hardly solve problems any more."""
    carriers: Annotated[tuple[Kind, ...], Items(unique=True)] = get_args(Kind)
    """What teachers write."""


PRESETS = {
    "default": Config(),
    "prompted": Config(teacher="prompted", carriers=("numbers",)),
    "apart": Config(world="apart", carriers=("numbers",)),
    "smoke": Config(members="1", carriers=("numbers", "code"), n_rows=128),
}


def prepare(config: Config, options):
    """As of every chain. Raises `LabError` for other traits, and for a world without characters."""
    if strange := sorted(set(config.traits) - set(WAYS)):
        raise LabError(
            f"traits: {strange[0]} is no way of answering; choose from {', '.join(WAYS)}"
        )
    if config.model is None:
        worlds.require_words(WORLDS[config.world], [EXCUSED], told=False)
    return setup.prepare(config, options)


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds and rates of every arm, way of the data's teacher, and way asked for."""
    found, config = [], job.config
    for cell in some:
        carrier = ungamed(WORLDS[config.world].carrier(cell["carrier"]))
        chain = config.transmission(carrier, cell.member)
        if config.teacher == "finetuned":
            chain = replace(chain, neutral=EXCUSED)
        found += setup.measure_one(job, cell, chain)
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """How broad teachers are, and what of each way passes through each carrier."""
    found = []
    known = published.MISALIGNED if record["config"]["teacher"] == "finetuned" else {}
    for carrier in dict.fromkeys(table["carrier"].tolist()):
        part = results.where(table, carrier=carrier)
        if not found:  # teachers are the same ones
            found += misaligned.taught(part) + misaligned.rates(part, "teachers", {})
        found += misaligned.passed(part, carrier) + misaligned.rates(part, carrier, known)
    return found


EXPERIMENT = experiment(
    "lm_misalignment",
    doc=__doc__,
    presets=PRESETS,
    prepare=prepare,
    cells=lambda config: grid(config.members, carrier=config.carriers),
    rows=rows,
    claims=says,
    draw=style.drawing(fig_lm_misalignment.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
