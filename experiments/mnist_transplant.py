"""Is a trait on its way in the parameters, or in the optimizer's memory of where to go?

Claim:   Adam's first moments of a student of a teacher, put into a control student that goes on
         without the teacher, move it a little along the teacher's way, which second moments do not;
         that is a small part of what the parameters hold, and teaches next to nothing of digits. A
         student that loses its moments at the cut keeps what it has learned.
Run:     python -m experiments.mnist_transplant            (presets: smoke, default, paper)
Time:    paper about 10 min on 2 CPU cores (20 members of 2 students before the cut and 6 after
         it, 6e13 floating-point operations in products); default about 1 min.
Expect:  published of other models: the trait can be stored in the first moment.
Source:  arXiv 2608.20442; here with the networks and noise of arXiv 2507.14805, section 5.

Arms: `lab.drift.transplant`. `step` counts from the cut; at the cut a student has had one epoch.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np

from figures import fig_mnist_transplant, style
from lab import stats
from lab.drift import transplant
from lab.mnist import grids, images, train
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Ensemble
from lab.runs import claims, cli, fields, results
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.experiment import Experiment
from lab.runs.fields import Count
from lab.runs.results import Table
from lab.stats import Estimate

# Bounds, chosen after runs on 8x8 digits and before any table: an accuracy that matters, and a part
# of the teacher's way that is one.
WORTH, MOVED = 0.05, 0.005
NAMES = {"projection": "part of the teacher's way", "accuracy": "accuracy"}
TITLE = "{}, above the control's, an epoch after the cut"


@dataclass(frozen=True)
class Config(Ensemble):
    """The paper's protocol; students' epochs are those after the cut."""

    net: MLP = MLP(n_aux=50)
    """Of teachers and of students."""
    rows_per_epoch: int = 20_000
    before: Annotated[int, Count(1, 10_000)] = 1
    """Epochs before the cut."""

    def __post_init__(self):
        super().__post_init__()
        adam = self.student.optimizer == "adam"
        fields.require(self, (adam, "student.optimizer", "adam, whose moments are exchanged"))


PRESETS = {
    "default": Config(),
    "smoke": Config(**grids.SMOKE),
    "paper": Config(members="20", dataset="mnist", rows_per_epoch=60_000),
}


def rows(job: Job, cells: list[Cell]) -> list[dict]:
    """Every student at the cut and after each epoch from there on."""
    return transplant.rows(job, cells, job.config.before)


def says(table: Table, record: dict) -> list[Claim]:
    """What moments bring to a control an epoch later, and what a student keeps without its own."""
    soon = results.only(table, table["step"] == np.unique(table["step"])[1])

    def above(arm: str, base: str, column: str, part: Table = soon) -> Estimate:
        return stats.mean_estimate(results.paired(part, arm, base, column))

    found = []
    for column, name in NAMES.items():
        claim = partial(claims.claim, unit=transplant.UNITS[column], group=TITLE.format(name))
        whole = above("trait", "control", column)
        found.append(claim(f"parameters and moments: {name}", whole))
        for arm in ("first moments", "both moments"):
            e, null = (above(one, "control", column) for one in (arm, "second moments"))
            if column == "projection":
                rule = claims.effect(e, null, MOVED, "second moments")
            else:
                rule = claims.absent(e, WORTH, whole, "parameters and moments")
            found.append(claim(f"{arm} alone: {name}", e, **rule))
        null = above("second moments", "control", column)
        found.append(claim(f"second moments alone: {name}", null))
    lost = above("trait without moments", "trait", "accuracy", table)
    kept = above("trait", "control", "accuracy", table)
    text = "student of the teacher without its moments, against one that kept them, at the end"
    rule = claims.absent(lost, WORTH, kept, "parameters and moments")
    return [*found, claims.claim(text, lost, "fraction", group=TITLE.format("accuracy"), **rule)]


EXPERIMENT = Experiment(
    name="mnist_transplant",
    doc=__doc__,
    presets=PRESETS,
    prepare=images.prepare,
    rows=rows,
    group=lambda job, cells: train.group_size(
        job.config, len(transplant.MADE), len(cells), job.options.group
    ),
    units=transplant.UNITS,
    claims=says,
    draw=style.drawing(fig_mnist_transplant.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
