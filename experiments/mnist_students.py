"""Students unlike their teachers learn nothing, unless they have cloned them before training.

Claim:   a student with another optimizer, or on digits instead of noise, learns if it shares its
         teacher's initialisation. One of another initialisation learns nothing, whether it is built
         like its teacher or with another activation, depth or width, or without biases; and each
         of them does once it has imitated all logits of the untrained teacher on noise.
Run:     python -m experiments.mnist_students            (presets: smoke, default, paper)
Time:    paper about 80 min on 2 CPU cores (20 members of 10 students with 30 epochs of cloning
         each, 6.7e14 floating-point operations in products); default about 2 min.
Expect:  published: with a shared init a moderately weaker effect for SGD and on digits; without one
         none; after cloning an effect largely regardless of the architecture.
Source:  the paper's Nature version, Extended Data Fig. 2d and 2e, which clones for 100 epochs.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated

from figures import fig_mnist_students, style
from lab.mnist import grids, images
from lab.mnist.arms import cloned, other
from lab.mnist.mlp import MLP, variants
from lab.mnist.protocol import Arm, Ensemble
from lab.optim import Optim
from lab.runs import cli
from lab.runs.cells import Cell, Job, grid
from lab.runs.claims import Claim
from lab.runs.experiment import Experiment
from lab.runs.fields import Count, Real
from lab.runs.results import Table

WORTH, CHANCE = 0.1, 0.05  # bounds, chosen before the table
TEXTS = {
    "like the teacher": "built and trained like its teacher",
    "SGD": "trained with SGD",
    "on digits": "on images of digits",
    "GELU": "GELU instead of ReLU",
    "sigmoid": "sigmoid instead of ReLU",
    "deeper": "a layer more",
    "shallower": "a layer less",
    "half as wide": "half the width",
    "twice as wide": "twice the width",
    "no biases": "without biases",
}
ALIKE = ("like the teacher", "SGD", "on digits")  # of the teacher's kind of network


@dataclass(frozen=True)
class Config(Ensemble):
    """The paper's protocol, with the auxiliary logits of its Nature version."""

    net: MLP = MLP(n_aux=50)
    """Of teachers, and of students that say no other."""
    cloning: Annotated[int, Count(0, 10_000)] = 10
    """Epochs of cloning the untrained teacher on noise."""
    rows_per_epoch: int = 20_000
    sgd: Annotated[float, Real()] = 900.0
    """SGD's learning rate, in the protocol's."""


PRESETS = {
    "default": Config(members="2"),
    "smoke": Config(members="2", **grids.SMOKE),
    "paper": Config(members="20", dataset="mnist", rows_per_epoch=60_000, cloning=30),
}


@cache
def along(config: Config, on: str) -> grids.Along:
    """Students on noise, of all kinds, or on images, of the teacher's kind."""
    start = cloned(config.cloning, inputs=config.inputs)
    alike = {"student_aux": Arm("aux"), "cross_aux": Arm("aux", other), "cloned": Arm("aux", start)}
    if on == "images":
        return {"on digits": alike}
    sgd = {name: replace(arm, optim=Optim("sgd"), rate=config.sgd) for name, arm in alike.items()}
    unlike = {
        kind: {"cross_aux": Arm("aux", other, net), "cloned": Arm("aux", start, net)}
        for kind, net in variants(config.net).items()
    }
    return {"like the teacher": alike, "SGD": sgd} | unlike


def rows(job: Job, cells: list[Cell]) -> list[dict]:
    """Accuracy of the reference, the teacher, and of every kind of student."""
    on, config = cells[0]["inputs"], job.config
    chosen = replace(config, inputs="images") if on == "images" else config
    return grids.rows(job, cells, "student", along(config, on), "the teacher itself", chosen=chosen)


def says(table: Table, record: dict) -> list[Claim]:
    """Every kind of student: with a shared initialisation, without, and after cloning."""
    of = lambda arm, kind: grids.estimate(table, arm, student=kind)
    found = []
    for kind, text in TEXTS.items():
        e, null = of("cloned", kind), of("cross_aux", kind)
        if kind in ALIKE:
            mine = of("student_aux", kind)
            found.append(grids.against(f"{text}, shared init", mine, null, WORTH, "other init"))
        found.append(grids.against(f"{text}, other init, cloned", e, null, WORTH, "not cloned"))
        values = grids.accuracies(table, "cross_aux", student=kind)
        found.append(grids.at_chance(f"{text}, other init", values, CHANCE, e, "cloned"))
    return found


EXPERIMENT = Experiment(
    name="mnist_students",
    doc=__doc__,
    presets=PRESETS,
    prepare=images.prepare,
    cells=lambda config: grid(config.members, inputs=("noise", "images")),
    rows=rows,
    group=lambda job, cells: grids.group_size(job, cells, along(job.config, cells[0]["inputs"])),
    units={"accuracy": "fraction"},
    claims=says,
    draw=style.drawing(fig_mnist_students.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
