"""Does a student's first update say whether its teacher's trait will pass to it?

Claim:   over pairs that differ in initialisation, rate, width, epochs and logits, coverage, the
         cosine of the student's first update and the teacher's displacement, orders the pairs by
         transfer: better than the part of another initialisation alone, and within a shared one.
Run:     python -m experiments.coverage            (presets: smoke, default, paper)
Expect:  published for another toy: Spearman .95, AUROC .997; here what the init alone gives.
Source:  arXiv 2606.22019, section 3.

Transfer is (student - start) / (teacher - start), all accuracies. Of every four pairs one is of
"one recipe": it differs from others of it in the initialisation and by chance alone.
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
from theory import coverage, predictors

_COMMON = Optim(learning_rate=3e-4, batch=64)


@dataclass(frozen=True)
class Config(Protocol):
    """What all pairs have in common, and the ranges that the rest is drawn from."""

    members: str = "720"
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


def ranges(c: Config) -> tuple[int, tuple[int, int], tuple[float, float]]:
    """The most auxiliary logits, the most epochs of teacher and student, and learning rates."""
    return c.net.n_aux, (c.teacher.epochs, c.student.epochs), (c.slowest, c.fastest)


def prepare(config: Config, options: Options):
    """The dataset, and what identifies it."""
    coverage.check(config.widths, *ranges(config))
    return images.prepare(config, options)


def pairs(config: Config) -> list[Cell]:
    """The pairs: widths taking turns, but those of one recipe have the middle one."""
    turns, numbers = config.widths, grids.members(config.members)
    one = (("width", sorted(turns)[len(turns) // 2]), ("recipe", "one"))
    drawn = lambda m: (("width", turns[m % len(turns)]), ("recipe", "drawn"))
    alike = zip(map(int, numbers), coverage.of_one_recipe(numbers), strict=True)
    return [Cell(member, one if same else drawn(member)) for member, same in alike]


def rows(job: Job, cells: list[Cell]) -> list[dict]:
    """A row per pair: what was drawn, what is known early, accuracies and transfer."""
    numbers = np.array([cell.member for cell in job.filled(cells)])
    drawn = coverage.draw(job.config.seed, numbers, *ranges(job.config))
    job.advance(f"pair {numbers[0]}", len(cells))
    net = replace(job.config.net, hidden=(cells[0]["width"],) * 2)
    return coverage.rows(job, cells, replace(job.config, net=net), drawn)


EXPERIMENT = Experiment(
    name="coverage",
    doc=__doc__,
    presets=PRESETS,
    prepare=prepare,
    cells=pairs,
    rows=rows,
    shape=lambda cell: cell["width"],
    group=lambda job, cells: train.group_size(job.config, 1, len(cells), job.options.group),
    units=coverage.UNITS,
    claims=predictors.claims,
    draw=style.drawing(fig_coverage.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
