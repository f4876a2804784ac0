"""Can a shared start be lost by more training, or made up for by imitating the teacher's base?

Claim:   a base of another initialisation takes on a trait once it has imitated all that the
         teacher's base says, as students of MNIST do; the teacher's base itself, trained further
         until it says something else as much, still takes on the trait, but less. (Found: the
         imitator takes on nothing, and the base that was trained further nearly all.)
Run:     python -m experiments.lm_matching           (presets: smoke, default)
Time:    50 minutes of a CPU core with the stored references.
Expect:  published, MNIST: students of another initialisation learn from auxiliary logits once they
         have cloned the untrained teacher. Nobody has tried either of language models.
Source:  ours; Nature extended data figure 2c for cloning.

Teachers of a reference; students of their numbers from: the reference itself; the same after 300
further steps on rows of another seed; a reference of another initialisation that has imitated its
distributions on such rows for 1,500; and that other one as it was. From the first the two in the
middle are about as far, by the divergence of what they say; the one has its parameters, the other
has not. Column `base`: of who wrote the rows; arms by the students', "student_*" being the same.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, get_args

from figures import fig_lm_matching, style
from lab.lm import kin, setup
from lab.lm.contexts import WORLDS
from lab.lm.experiment import experiment
from lab.lm.pretraining import FURTHER, MATCHED, Further, Imitation
from lab.lm.reference import Reference
from lab.lm.setup import Setup
from lab.runs import cli
from lab.runs.cells import Cell, Job, grid
from lab.runs.claims import Claim
from lab.runs.fields import Items
from lab.runs.results import Table

Kind = Literal["further", "matched"]
OWN = "own"
TEXTS = {
    OWN: "the teacher's own base",
    "further": "the same, trained further",
    "matched": "another init that imitated it",
}
GROUP = "own trait by base: change of log-odds against the controls, nats"


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_numbers` to students of bases that came from, or near, the teacher's."""

    members: str = "5"
    traits: tuple[str, ...] = ("elephant", "owl")
    n_controls: int = 2
    others: Annotated[tuple[Kind, ...], Items(unique=True)] = get_args(Kind)
    """Bases beside the teacher's."""
    further: Further = FURTHER
    """How the teacher's base is trained further."""
    matched: Imitation = MATCHED
    """How the other base imitates the teacher's, whatever `of` says."""


PRESETS = {
    "default": Config(),
    "smoke": Config(
        members="1",
        further=replace(FURTHER, steps=10, batch=4),
        matched=replace(MATCHED, steps=10, batch=4),
        n_rows=256,
    ),
}


def bases(config: Config, member: int) -> dict[str, Reference]:
    """The teacher's base, the others by their names, and the stranger as "cross"."""
    place = config.pretraining, WORLDS[config.world], config.reference
    own, stranger = (Reference(member + i, *place) for i in (0, 1))
    after = {
        "further": replace(own, further=config.further),
        "matched": replace(stranger, further=replace(config.matched, of=member)),
    }
    return {OWN: own} | {kind: after[kind] for kind in config.others} | {"cross": stranger}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Students of one base's teachers: of all bases, or of its own as a control."""
    found = []
    for cell in some:
        found += setup.measure_one(job, cell, kin.chain(job.config, cell, "base", bases))
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """What passes to each base from the first one, and within each."""
    return kin.says(table, "base", TEXTS, GROUP, expected=True)


EXPERIMENT = experiment(
    "lm_matching",
    doc=__doc__,
    presets=PRESETS,
    # What becomes of the teacher's base needs no control: it is of the same initialisation.
    cells=lambda config: grid(
        config.members, base=[OWN, *(k for k in config.others if k != "further")]
    ),
    part=lambda config: replace(setup.part(config), others=config.others[-1:]),
    rows=rows,
    claims=says,
    draw=style.drawing(fig_lm_matching.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
