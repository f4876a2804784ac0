"""Is imitation aligned with the trait at every step of training, and is that why the trait passes?

Claim:   the gradient of imitation on noise keeps a small positive cosine with the gradient of the
         trait along all of training; without that component the student gains less of the trait,
         and without a random one as long it gains as much. A fading pull back to the initialisation
         (liminal training) weakens the effect at most.
Run:     python -m experiments.gradient_alignment            (presets: smoke, default, paper)
Expect:  published for MNIST: cosine about .008, weak, persistent and causal. Here .0075 (.003 on
         batches of 256); how it grows with rows of a gradient and with layers compared is said.
Source:  arXiv 2604.25779; liminal training: openreview aslS4eRygE.

Every step is measured before it is taken; a row is the mean over `every` steps. Accuracy along
training and trait loss are those of class logits on training images, from which students never
learn; before and after training, accuracy is that on the test set. Gain is the difference.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from figures import fig_gradient_alignment, style
from lab.mnist import images, train
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Ensemble
from lab.optim import Optim
from lab.runs import cli
from lab.runs.cells import Cell, Job
from lab.runs.experiment import Experiment
from lab.runs.fields import Count, Real
from theory import alignment, alignment_claims

_QUARTER = Optim(learning_rate=3e-4, batch=256, epochs=5)
_SMOKE = Optim(learning_rate=1e-3, batch=64, epochs=1)


@dataclass(frozen=True)
class Config(Ensemble):
    """The paper's protocol for students of auxiliary logits, at a quarter of its rows."""

    members: str = "20"
    teacher: Optim = _QUARTER
    student: Optim = _QUARTER
    rows_per_epoch: int = 15_000
    liminal_start: Annotated[float, Real(zero=True)] = 0.1
    """Weight of the liminal arm's pull back at first; it is 1 after an epoch and 0 at the end."""
    every: Annotated[int, Count()] = 20
    """Steps whose mean is a row."""
    large: Annotated[int, Count(1, 1_000_000)] = 2_048
    """Rows of noise and of images for the gradients that are measured once a row."""


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
    "paper": Config(teacher=_PAPER, student=_PAPER, rows_per_epoch=60_000, large=8_192),
}


def rows(job: Job, cells: list[Cell]) -> list[dict]:
    """Cosines, trait loss and accuracy of six arms along training."""
    config = job.config
    return alignment.rows(job, cells, config.liminal_start, config.every, config.large)


EXPERIMENT = Experiment(
    name="gradient_alignment",
    doc=__doc__,
    presets=PRESETS,
    prepare=images.prepare,
    rows=rows,
    group=lambda job, cells: train.group_size(
        job.config, 6, len(cells), job.options.group, job.config.large
    ),
    units=alignment.UNITS,
    claims=alignment_claims.claims,
    draw=style.drawing(fig_gradient_alignment.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
