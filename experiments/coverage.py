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
from typing import Annotated

import numpy as np

from figures import fig_coverage, style
from lab.mnist import images
from lab.mnist.mlp import MLP, UNITS
from lab.mnist.protocol import Ensemble
from lab.optim import Optim
from lab.runs import cli, fields
from lab.runs.cells import Cell, Job, members
from lab.runs.experiment import Experiment
from lab.runs.fields import Items, Real
from theory import coverage, predictors

_COMMON = Optim(learning_rate=3e-4, batch=64)


@dataclass(frozen=True)
class Config(Ensemble):
    """What all pairs have in common, and the ranges that the rest is drawn from."""

    members: str = "720"
    """Pairs, a count or a range a:b; ranges of one seed can be merged."""
    net: MLP = MLP(n_aux=10)
    """A pair imitates 2 to n_aux auxiliary logits; its hidden layers are of one of the widths."""
    widths: Annotated[tuple[Annotated[int, UNITS], ...], Items()] = (32, 64, 128)
    """Units of both hidden layers; pairs take turns."""
    slowest: Annotated[float, Real()] = 1e-4
    """Smallest learning rate."""
    fastest: Annotated[float, Real()] = 3e-3
    """Largest learning rate."""
    teacher: Optim = replace(_COMMON, epochs=3)
    """A pair has 1 to so many epochs on labels, and a learning rate of its own."""
    student: Optim = replace(_COMMON, epochs=4)
    """A pair has 1 to so many epochs of imitation, and a learning rate of its own."""
    rows_per_epoch: int = 6_000

    def __post_init__(self):
        super().__post_init__()
        fields.require(
            self,
            (self.slowest <= self.fastest, "slowest", f"fastest, {self.fastest:g}, or less"),
            (self.teacher.epochs > 0, "teacher.epochs", "1 or more"),
            (self.net.n_aux > 1, "net.n_aux", "2 or more"),
        )


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


def pairs(config: Config) -> list[Cell]:
    """The pairs: widths taking turns, but those of one recipe have the middle one."""
    turns, numbers = config.widths, members(config.members)
    one = (("width", sorted(turns)[len(turns) // 2]), ("recipe", "one"))
    drawn = lambda m: (("width", turns[m % len(turns)]), ("recipe", "drawn"))
    alike = zip(map(int, numbers), coverage.of_one_recipe(numbers), strict=True)
    return [Cell(member, one if same else drawn(member)) for member, same in alike]


def rows(job: Job, cells: list[Cell]) -> list[dict]:
    """A row per pair: what was drawn, what is known early, accuracies and transfer."""
    numbers = np.array([cell.member for cell in job.filled(cells)])
    c = job.config
    most = c.net.n_aux, (c.teacher.epochs, c.student.epochs), (c.slowest, c.fastest)
    drawn = coverage.draw(c.seed, numbers, *most)
    job.advance(f"pair {numbers[0]}", len(cells))
    return coverage.rows(job, cells, coverage.of_width(c, cells[0]["width"]), drawn)


EXPERIMENT = Experiment(
    name="coverage",
    doc=__doc__,
    presets=PRESETS,
    prepare=images.prepare,
    cells=pairs,
    rows=rows,
    shape=lambda cell: cell["width"],
    group=coverage.group_size,
    units=coverage.UNITS,
    claims=predictors.claims,
    draw=style.drawing(fig_coverage.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
