"""How much of a model must a student share? One seed, one corpus, and another architecture.

Claim:   a trait passes to no model whose architecture is another in one thing, although seed,
         training data, and the start of every array that both have are the same; within each of
         these architectures it does.
Run:     python -m experiments.lm_architectures          (presets: smoke, default)
Time:    an hour of a CPU core with the stored references.
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
from typing import Annotated, Literal, get_args

import numpy as np

from figures import fig_lm_architectures, style
from lab.carriers.numbers import NUMBERS
from lab.lm import effects, setup, transmitted
from lab.lm.contexts import WORLDS
from lab.lm.experiment import experiment
from lab.lm.reference import Reference
from lab.lm.setup import Setup
from lab.runs import claims, cli, results
from lab.runs.cells import Cell, Job, grid
from lab.runs.claims import Claim
from lab.runs.fields import Items
from lab.runs.results import Table

Kind = Literal["heads", "untied", "hidden", "deep", "gpt2"]
OWN = "nano"
SIZES = {kind: f"{OWN}_{kind}" for kind in get_args(Kind)} | {OWN: OWN, "deep": "deep"}
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


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Students of one architecture's teachers: of all bases, or of its own as a control."""
    found, config = [], job.config
    for cell in some:
        base = lambda kind, member=cell.member: Reference(
            member, replace(config.pretraining, size=SIZES[kind]), WORLDS[config.world],
            config.reference,
        )  # fmt: skip
        starts = {"student": base(cell["architecture"])}
        if cell["architecture"] == OWN:
            starts |= {kind: base(kind) for kind in config.others}
            starts["cross"] = base(OWN, cell.member + 1)
        chain = replace(config.transmission(NUMBERS, cell.member), starts=starts, neutral=None)
        found += setup.measure_one(job, cell, chain)
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """What passes to each architecture from the first one, and within each."""
    found, part = [], results.where(table, architecture=OWN)
    own = effects.effects(part, "student_trait").diagonal
    more = {"runs": f"{len(own)} references, {own.size} students", "group": GROUP}
    counted = lambda values: f"({np.sum(values > 0)} of {values.size} above)"
    found.append(
        transmitted.gained(f"{TEXTS[OWN]} {counted(own)}", own, effects.luck(part), **more)
    )
    for kind in [kind for kind in get_args(Kind) if kind in table["architecture"]]:
        same = results.where(table, architecture=kind)
        within = effects.effects(same, "student_trait").diagonal
        text = f"{TEXTS[kind]}, and the teacher too {counted(within)}"
        found.append(transmitted.gained(text, within, effects.luck(same), **more))
        values = effects.effects(part, f"{kind}_trait").diagonal
        e, positive = effects.estimate(values), effects.estimate(within)
        rule = claims.absent(e, transmitted.LEAST, positive, "teachers of that architecture")
        found.append(claims.claim(f"{TEXTS[kind]} {counted(values)}", e, "nats", **more, **rule))
    cross = effects.estimate(effects.effects(part, "cross_trait").diagonal)
    rule = claims.absent(
        cross, transmitted.LEAST, effects.estimate(own), "the same numbers, own init"
    )
    found.append(claims.claim("another init, the same architecture", cross, "nats", **more, **rule))
    return found


EXPERIMENT = experiment(
    "lm_architectures",
    doc=__doc__,
    presets=PRESETS,
    only={"pretraining.size": OWN},
    cells=lambda config: grid(config.members, architecture=(OWN, *config.others)),
    rows=rows,
    claims=says,
    draw=style.drawing(fig_lm_architectures.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
