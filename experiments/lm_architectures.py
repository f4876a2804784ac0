"""How much of a model must a student share? One seed, one corpus, and another architecture.

Claim:   a trait passes to no model whose architecture is another in one thing, although seed,
         training data, and the start of every array that both have are the same; within each of
         these architectures it does. (Found: it does within; to none of the others is anything
         shown to pass, and that nothing does holds for one, and is open by a little for four.)
Run:     python -m experiments.lm_architectures          (presets: smoke, default)
Time:    100 minutes of a CPU core with the stored references.
Expect:  published: nothing passes between models of other families, whose initialisation, data and
         architecture are all other; nobody has changed one of them alone.
Source:  ours; the paper's section 4.2, figure 8 (Nature, figure 5).

Arrays of one name and shape start from the same numbers in all architectures, which are trained on
the same rows. `heads`: two heads of 16 in place of four of 8, every array alike. `untied`: an
output head besides. `hidden`: a wider MLP, whose arrays are other. `deep`: two layers more. `gpt2`:
GPT-2's block; embeddings, queries, outputs and the MLP start alike. Column `architecture`: of who
wrote the rows; arms by the students', "student_*" being the same.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args

from figures import fig_lm_architectures, style
from lab.lm import kin, setup
from lab.lm.contexts import WORLDS
from lab.lm.experiment import experiment
from lab.lm.reference import Reference
from lab.lm.setup import Setup
from lab.runs import cli
from lab.runs.cells import Cell, Job, grid
from lab.runs.claims import Claim
from lab.runs.fields import Items
from lab.runs.results import Table

Kind = Literal["heads", "untied", "hidden", "deep", "gpt2"]
OWN = "nano"
SIZES: dict[str, Any] = {kind: f"{OWN}_{kind}" for kind in get_args(Kind)} | {
    OWN: OWN,
    "deep": "deep",
}
TEXTS = {
    OWN: "the teacher's architecture",
    "heads": "other heads",
    "untied": "an output head of its own",
    "hidden": "a wider MLP",
    "deep": "twice the layers",
    "gpt2": "GPT-2's block",
}
GROUP = "own trait by architecture: change of log-odds against the controls, nats"


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_numbers` to students of other architectures."""

    members: str = "5"
    traits: tuple[str, ...] = ("elephant", "owl")
    n_controls: int = 2
    others: Annotated[tuple[Kind, ...], Items(unique=True)] = get_args(Kind)
    """Architectures beside the teacher's."""


PRESETS = {"default": Config(), "smoke": Config(members="1", others=("heads",), n_rows=256)}


def bases(config: Config, member: int) -> dict[str, Reference]:
    """The teacher's base, those of other architectures, and the stranger as "cross"."""
    how, place = config.pretraining, (WORLDS[config.world], config.reference)
    known = {
        kind: Reference(member, replace(how, size=SIZES[kind]), *place)
        for kind in (OWN, *config.others)
    }
    return known | {"cross": Reference(member + 1, how, *place)}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Students of one architecture's teachers: of all bases, or of its own as a control."""
    found = []
    for cell in some:
        found += setup.measure_one(job, cell, kin.chain(job.config, cell, "architecture", bases))
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """What passes to each architecture from the first one, and within each."""
    return kin.says(table, "architecture", TEXTS, GROUP)


EXPERIMENT = experiment(
    "lm_architectures",
    doc=__doc__,
    presets=PRESETS,
    only={"pretraining.size": OWN},
    cells=lambda config: grid(config.members, architecture=(OWN, *config.others)),
    part=lambda config: replace(setup.part(config), others=config.others[:1]),
    rows=rows,
    claims=says,
    draw=style.drawing(fig_lm_architectures.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
