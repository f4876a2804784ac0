"""Does a student's first update say whether its teacher's trait will pass to it?

Claim:   over pairs that differ in learning rate, width, epochs, initialisation and number of
         auxiliary logits, coverage, the cosine of the student's first update and the teacher's
         displacement, orders the pairs by how much they transfer.
Run:     python -m experiments.coverage            (presets: smoke, default, paper)
Expect:  published for another toy: Spearman about .95, AUROC .997.
Source:  arXiv 2606.22019, section 3 (whose toy and thresholds are not public; ours are below).

A pair's transfer is (student - start) / (teacher - start), all accuracies; it counts as transferred
if the student gained more than `theory.coverage.TRANSFERRED`.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from figures import fig_coverage, style
from lab.mnist import images, train
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Protocol
from lab.optim import Optim
from lab.runs import cells as grids
from lab.runs import cli
from lab.runs.cells import Cell, Job
from lab.runs.experiment import Experiment, Options
from theory import coverage

_COMMON = Optim(learning_rate=3e-4, batch=64)


@dataclass(frozen=True)
class Config(Protocol):
    """What all pairs have in common, and the ranges that the rest is drawn from."""

    members: str = "600"
    """Pairs, a count or a range a:b; ranges of one seed can be merged."""
    dataset: Literal["auto", "mnist", "digits"] = "auto"
    """auto: MNIST if it is on disk, otherwise the embedded 8x8 digits."""
    net: MLP = MLP(n_aux=10)
    """A pair imitates 2 to n_aux auxiliary logits; its hidden layers are of one of the widths."""
    widths: tuple[int, ...] = (32, 64, 128)
    """Units of both hidden layers; pairs take turns."""
    slowest: float = 1e-4
    """Smallest learning rate."""
    fastest: float = 3e-3
    """Largest learning rate."""
    teacher: Optim = replace(_COMMON, epochs=3)
    """A pair has 1 to so many epochs on labels, and a learning rate of its own."""
    student: Optim = replace(_COMMON, epochs=4)
    """A pair has 1 to so many epochs of imitation, and a learning rate of its own."""
    rows_per_epoch: int = 6_000


PRESETS = {
    "default": Config(),
    "smoke": Config(
        members="24",
        net=MLP(n_aux=5),
        widths=(32,),
        slowest=1e-3,
        teacher=replace(_COMMON, epochs=1),
        student=replace(_COMMON, epochs=2),
    ),
    "paper": Config(
        members="2000",
        widths=(64, 128, 256),
        teacher=replace(_COMMON, batch=256, epochs=3),
        student=replace(_COMMON, batch=256, epochs=4),
        rows_per_epoch=30_000,
    ),
}


def prepare(config: Config, options: Options):
    """The dataset, and what identifies it."""
    most_epochs = (config.teacher.epochs, config.student.epochs)
    rates = (config.slowest, config.fastest)
    coverage.check(config.widths, config.net.n_aux, most_epochs, rates)
    return images.prepare(config, options)


def pairs(config: Config) -> list[Cell]:
    """The pairs, widths taking turns."""
    turn = lambda member: (("width", config.widths[member % len(config.widths)]),)
    return [Cell(member, turn(member)) for member in map(int, grids.members(config.members))]


def of_width(config: Config, width: int) -> Config:
    """The protocol of pairs of one width."""
    return replace(config, net=replace(config.net, hidden=(width, width)))


def rows(job: Job, cells: list[Cell]) -> list[dict]:
    """A row per pair: what was drawn, both coverages, accuracies and transfer."""
    config = job.config
    numbers = np.array([cell.member for cell in job.filled(cells)])
    epochs = (config.teacher.epochs, config.student.epochs)
    rates = (config.slowest, config.fastest)
    drawn = coverage.draw(config.seed, numbers, config.net.n_aux, epochs, rates)
    job.advance(f"pair {numbers[0]}", len(cells))
    return coverage.rows(job, cells, of_width(config, cells[0]["width"]), drawn)


EXPERIMENT = Experiment(
    name="coverage",
    doc=__doc__,
    presets=PRESETS,
    prepare=prepare,
    cells=pairs,
    rows=rows,
    group=lambda job, cells: train.group_size(job.config, 1, len(cells), job.options.group),
    units=coverage.UNITS,
    claims=coverage.claims,
    draw=style.drawing(fig_coverage.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
