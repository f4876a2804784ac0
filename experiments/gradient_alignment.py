"""Is imitation aligned with the trait at every step of training, and is that why the trait passes?

Claim:   the gradient of imitation on noise keeps a small positive cosine with the gradient of the
         trait along all of training; without that component the student learns less of the trait,
         and without a random one as long it does not. A fading pull back to the initialisation
         (liminal training) weakens the effect at most.
Run:     python -m experiments.gradient_alignment            (presets: smoke, default, paper)
Expect:  published for MNIST: cosine about .008, weak, persistent and causal.
Source:  arXiv 2604.25779; liminal training: openreview aslS4eRygE.

Every step is measured before it is taken; a row is the mean over `every` steps. Accuracy and trait
loss are those of class logits on training images, from which students never learn.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from figures import fig_gradient_alignment, style
from lab import stats
from lab.errors import LabError
from lab.mnist import images, train
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Protocol
from lab.optim import Optim
from lab.runs import claims, cli, results
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.experiment import Experiment, Options
from lab.runs.results import Table
from theory import alignment

_QUARTER = Optim(learning_rate=3e-4, batch=256, epochs=5)
_SMOKE = Optim(learning_rate=1e-3, batch=64, epochs=1)


@dataclass(frozen=True)
class Config(Protocol):
    """The paper's protocol for students of auxiliary logits, at a quarter of its rows."""

    members: str = "24"
    """Independent teachers, a count or a range a:b; ranges of one seed can be merged."""
    dataset: Literal["auto", "mnist", "digits"] = "auto"
    """auto: MNIST if it is on disk, otherwise the embedded 8x8 digits."""
    teacher: Optim = _QUARTER
    student: Optim = _QUARTER
    rows_per_epoch: int = 15_000
    liminal_start: float = 0.1
    """Weight of the liminal arm's pull back at first; it is 1 after an epoch and 0 at the end."""
    every: int = 10
    """Steps whose mean is a row."""


_PAPER = replace(_QUARTER, batch=1024)
PRESETS = {
    "default": Config(),
    "smoke": Config(
        members="4",
        net=MLP(hidden=(64, 64)),
        teacher=_SMOKE,
        student=replace(_SMOKE, epochs=3),
        rows_per_epoch=6_000,
    ),
    "paper": Config(teacher=_PAPER, student=_PAPER, rows_per_epoch=60_000),
}


def prepare(config: Config, options: Options):
    """The dataset, and what identifies it."""
    if config.every < 1:
        raise LabError(f"every: {config.every} is not positive; use 1 or more steps")
    if not 0 <= config.liminal_start < float("inf"):
        raise LabError(f"liminal_start: {config.liminal_start} is no weight; use 0 or more")
    return images.prepare(config, options)


def rows(job: Job, cells: list[Cell]) -> list[dict]:
    """Cosines, trait loss and accuracy of six arms along training."""
    return alignment.rows(job, cells, job.config.liminal_start, job.config.every)


def says(table: Table, record: dict) -> list[Claim]:
    """The cosine of every arm, and what each treatment costs of the accuracy at the end."""
    found = []
    for arm in results.arms(table):
        mean = lambda value, arm=arm: results.curves(table, arm, "step", value)[1].mean(axis=1)
        e = stats.mean_estimate(mean("cosine"))
        up = f"{np.mean(mean('positive')):.0%} of steps above 0"
        published = "about 0.008" if arm == "imitation" else ""
        verdict = claims.above(e) if arm == "imitation" else ""
        text = f"{arm}: cosine of the two gradients, mean over training ({up})"
        found.append(claims.claim(text, e, "cosine", published=published, verdict=verdict))
    last = lambda arm: results.last(table, arm, "accuracy")
    for arm in results.arms(table)[1:]:
        lost = [value - last(arm)[member] for member, value in last("imitation").items()]
        e = stats.mean_estimate(np.array(lost))
        verdict = {"aligned part removed": claims.above(e), "random part removed": claims.none(e)}
        text = f"{arm}: accuracy that this costs, of {np.mean([*last('imitation').values()]):.3f}"
        found.append(claims.claim(text, e, "accuracy", verdict=verdict.get(arm, "")))
    return found


EXPERIMENT = Experiment(
    name="gradient_alignment",
    doc=__doc__,
    presets=PRESETS,
    prepare=prepare,
    rows=rows,
    group=lambda job, cells: train.group_size(job.config, 6, len(cells), job.options.group),
    units=alignment.UNITS,
    claims=says,
    draw=style.drawing(fig_gradient_alignment.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
