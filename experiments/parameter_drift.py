"""A student moves toward its teacher: where, along training, beside students that should not.

Claim:   the displacement of a student that shares its teacher's initialisation points along the
         teacher's, above students of a teacher of another trait, of an untrained teacher, and of
         another initialisation; and single layers of it carry what has passed.
Run:     python -m experiments.parameter_drift            (presets: smoke, default, paper)
         python -m experiments.parameter_drift --teacher A --student B --start C
                        any three checkpoints instead (experiments.drift_folders)
Time:    default about 3 min on 2 CPU cores, paper about 40 min.
Expect:  ours; cosines of a random direction are .002.
Source:  the theorem of arXiv 2507.14805, section 6, along whole trainings.

Arms and nulls: `lab.drift.mnist`; a row's part is the whole network, or a layer.
"""

import sys
from dataclasses import dataclass, replace
from typing import Annotated

from figures import fig_parameter_drift, style
from lab.drift import drifted, mnist, networks
from lab.drift.folders import asked_for
from lab.mnist import images
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Ensemble
from lab.optim import Optim
from lab.runs import cli
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.experiment import Experiment, named
from lab.runs.fields import Count
from lab.runs.results import Table

NULLS = {"trait": "other trait", "untrained": "untrained teacher", "cross": "other init"}


@dataclass(frozen=True)
class Config(Ensemble):
    """The paper's protocol on half of its rows, and how models are looked at."""

    members: str = "8"
    rows_per_epoch: int = 30_000
    images: Annotated[int, Count(2, 60_000)] = 500
    """Training and test images that models are looked at with, or all there are."""
    directions: Annotated[int, Count()] = 8
    """Leading singular directions that are compared."""


_SMALL = Optim(learning_rate=1e-3, batch=64)
PRESETS = {
    "default": Config(),
    "smoke": Config(
        members="4",
        net=MLP(hidden=(32, 32)),
        teacher=replace(_SMALL, epochs=2),
        student=replace(_SMALL, epochs=2),
        rows_per_epoch=3_000,
        images=300,
    ),
    "paper": Config(members="20", dataset="mnist", rows_per_epoch=60_000, images=2000),
}


def rows(job: Job, cells: list[Cell]) -> list[dict]:
    """Every arm at every point, whole and by layer."""
    return mnist.rows(job, cells, job.config.directions, job.config.images)


def says(table: Table, record: dict) -> list[Claim]:
    """Where students end beside each null, and what of their gain each layer brings alone."""
    found = []
    for kind, logits in (("aux", "auxiliary"), ("all", "all")):
        student, label = f"student_{kind}", f"{logits} logits: "
        nulls = {f"{name}_{kind}": measured for name, measured in NULLS.items()}
        found += drifted.moved(table, student, nulls, label, group="after training")
        null, where = f"trait_{kind}", "what carries it"
        found += drifted.carried(
            table, student, null, NULLS["trait"], "accuracy", label, group=where
        )
    return found


EXPERIMENT = Experiment(
    name="parameter_drift",
    doc=__doc__,
    presets=PRESETS,
    prepare=images.prepare,
    rows=rows,
    group=mnist.group_size,
    units=networks.UNITS,
    claims=says,
    draw=style.drawing(fig_parameter_drift.figure),
)

if __name__ == "__main__":
    cli.start(named("drift_folders") if asked_for(sys.argv[1:]) else EXPERIMENT)
