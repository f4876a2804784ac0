"""Why do published accuracies of one experiment lie between 27 % and 90 %? A setting at a time.

Claim:   learning rate, batch, epochs, width, scale of the initialisation, inputs and loss, each
         changed alone from the paper's protocol, move the accuracy of students of three auxiliary
         logits over the whole range that is published; which of the published numbers its own
         setting explains is said for each.
Run:     python -m experiments.mnist_factors            (presets: smoke, default, paper)
Time:    paper about 60 min on 2 CPU cores (20 members of 34 settings, 8 of the widest network;
         9.4e14 floating-point operations in products); default about 2 min.
Expect:  the published numbers that stand in the table of settings, `lab/mnist/factors.py`.
Source:  replications of arXiv 2507.14805, each named there.

Rates and batches are changed for both. Half an interval not published is its source's at the base.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from figures import fig_mnist_factors, style
from lab.errors import LabError
from lab.mnist import factors, grids, images, train
from lab.mnist.protocol import Ensemble
from lab.runs import claims, cli
from lab.runs.cells import Cell, Job, grid
from lab.runs.claims import Claim
from lab.runs.experiment import Experiment
from lab.runs.results import Table

# Chosen before the table: how near a published number is, what moves the accuracy, what is chance.
MARGIN, MOVES, CHANCE = 0.05, 0.05, 0.05
BASE = "the paper's"
SOME = (BASE, "squared errors", "digits")
TWICE = "squared errors, others'"  # the same setting as another, with another published number
FEW, N_FEW = ("width 1024",), 8  # settings that take so long that fewer members are trained


@dataclass(frozen=True)
class Config(Ensemble):
    """The paper's protocol, from which settings are one step away."""

    settings: Literal["some", "all"] = "some"
    """Which of them."""

    def __post_init__(self):
        super().__post_init__()
        for name in chosen(self):
            try:
                factors.protocol(self, name)
            except LabError as error:
                raise LabError(f"settings: {name} is not possible ({error}); use some") from error


def chosen(config: Config) -> tuple[str, ...]:
    """The settings that are trained."""
    return tuple(n for n in factors.SETTINGS if n != TWICE) if config.settings == "all" else SOME


PRESETS = {
    "default": Config(),
    "smoke": Config(**grids.SMOKE),
    "paper": Config(members="20", dataset="mnist", settings="all"),
}


def cells(config: Config) -> list[Cell]:
    """Every member at every setting, but few at the slowest."""
    every = grid(config.members, setting=chosen(config))
    return [c for c in every if c["setting"] not in FEW or c.member < N_FEW]


def rows(job: Job, cells: list[Cell]) -> list[dict]:
    """Accuracy of the reference, the teacher, and two students of a setting."""
    name = cells[0]["setting"]
    return train.train(job, cells, factors.ARMS[name], factors.protocol(job.config, name))


def says(table: Table, record: dict) -> list[Claim]:
    """What each setting gives beside what others found, and how far that is from the paper's."""
    config = EXPERIMENT.config(record)
    known = config.at_protocol_of(PRESETS["paper"])
    of = lambda name: grids.estimate(table, "student_aux", setting=name)
    there, found = list(dict.fromkeys(table["setting"].tolist())), []
    for name, setting in factors.SETTINGS.items():
        place = name if name != TWICE else "squared errors"
        if place not in there or (name == TWICE and not known):
            continue
        rule = {}
        if known and setting.published:
            rule = claims.reproduced(of(place), setting.published, MARGIN, chance=0.1)
            rule["published"] += f", {setting.source}"
        found.append(claims.claim(name, of(place), "accuracy", **rule))
        if name not in (BASE, TWICE):
            least = MOVES if of(name).mean > of(BASE).mean else -MOVES
            moved = grids.against(f"{name}, moves it", of(name), of(BASE), least, BASE)
            found.append(replace(moved, detail=True))
    every = [grids.accuracies(table, "cross_aux", setting=name) for name in there]
    others = np.mean([values[: min(map(len, every))] for values in every], axis=0)
    positive = of(BASE), f"shared init, {BASE}"
    return [*found, grids.at_chance("other init, all settings", others, CHANCE, *positive)]


EXPERIMENT = Experiment(
    name="mnist_factors",
    doc=__doc__,
    presets=PRESETS,
    prepare=images.prepare,
    cells=cells,
    rows=rows,
    group=lambda job, cells: train.group_size(
        factors.protocol(job.config, cells[0]["setting"]), 2, len(cells), job.options.group
    ),
    units={"accuracy": "fraction"},
    claims=says,
    draw=style.drawing(fig_mnist_factors.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
