"""A convolutional student of a teacher without convolutions: its two heads are enough.

Claim:   a convolutional student that shares nothing with its teacher but the heads learns digits
         from auxiliary logits on noise; more so if neighbouring pixels are alike. With another
         class head it stays at chance, with another auxiliary head it is held back.
Run:     python -m experiments.mnist_cnn            (presets: smoke, default, paper)
Time:    paper about 60 min on a CPU core (20 members of 8 students on 3 kinds of noise, 3e14
         floating-point operations in products); default about 3 min.
Expect:  published: from a perceptron to a convolutional network, on Perlin noise alone.
Source:  arXiv 2605.23645. Its Perlin noise is here uniform noise blurred by 1 and by 4 pixels; its
         convolutional network is not described, ours is `lab.mnist.cnn`.

The positive control of every noise is a perceptron that shares the same two heads.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated

from figures import fig_mnist_cnn, style
from lab.mnist import grids, images
from lab.mnist.arms import parts
from lab.mnist.cnn import CNN
from lab.mnist.inputs import InputsName
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Arm, Ensemble
from lab.optim import Optim
from lab.runs import cli
from lab.runs.cells import Cell, Job, grid
from lab.runs.claims import Claim
from lab.runs.experiment import Experiment
from lab.runs.fields import Items
from lab.runs.results import Table

# What of the heads is shared: class head, auxiliary head. Hidden layers never are.
HEADS = {"both heads": (True, True), "auxiliary head": (False, True), "class head": (True, False),
         "no head": (False, False)}  # fmt: skip
NETS = ("convolutional", "perceptron")
WORTH, LESS, CHANCE = 0.1, 0.1, 0.05  # bounds, chosen before the table
_FAST = Optim(learning_rate=1e-3, batch=1000, epochs=5)


@dataclass(frozen=True)
class Config(Ensemble):
    """The protocol of `mnist_heads`, on several kinds of noise."""

    net: MLP = MLP(n_aux=100)
    """Of teachers."""
    student_net: CNN = CNN()
    """Of convolutional students; last layers are as wide as their teacher's."""
    teacher: Optim = replace(_FAST, batch=1024)
    student: Optim = _FAST
    loss: grids.Loss = "mse"
    fresh_inputs: bool = True
    noise: Annotated[tuple[InputsName, ...], Items(unique=True)] = ("uniform", "blurred", "smooth")
    """What students imitate on."""


PRESETS = {
    "default": Config(members="2", rows_per_epoch=20_000),
    "smoke": Config(noise=("smooth",), student_net=CNN((8,)), **grids.SMOKE),
    "paper": Config(members="20", dataset="mnist"),
}


@cache
def along(config: Config) -> grids.Along:
    """Students by what they share of the heads, of both kinds of network."""
    teacher = config.net
    last = {"units": teacher.hidden[-1], "n_aux": teacher.n_aux, "n_classes": teacher.n_classes}
    nets = dict(zip(NETS, (replace(config.student_net, **last), teacher), strict=True))
    return {
        heads: {name: Arm("aux", parts(False, *shared), net) for name, net in nets.items()}
        for heads, shared in HEADS.items()
    }


def rows(job: Job, cells: list[Cell]) -> list[dict]:
    """Accuracy of the reference, the teacher, and every kind of student on one kind of noise."""
    chosen = replace(job.config, inputs=cells[0]["noise"])
    return grids.rows(job, cells, "shared", along(job.config), "the teacher itself", chosen=chosen)


def says(table: Table, record: dict) -> list[Claim]:
    """On each noise, what heads are worth to a student, beside a perceptron; then noises."""
    config, found = EXPERIMENT.config(record), []
    of = lambda net, noise, heads: grids.estimate(table, net, noise=noise, shared=heads)
    for noise in config.noise:
        both = {net: of(net, noise, "both heads") for net in NETS}
        for net, e in both.items():
            null = of(net, noise, "no head")
            found.append(grids.against(f"{net}, {noise} noise", e, null, WORTH, "no head shared"))
        e = of("convolutional", noise, "class head")
        text = f"another auxiliary head, {noise} noise, less than both"
        found.append(grids.against(text, e, both["convolutional"], -LESS, "both heads"))
        for heads, text in (("auxiliary head", "another class head"), ("no head", "other heads")):
            values = grids.accuracies(table, "convolutional", noise=noise, shared=heads)
            positive = both["convolutional"], "both heads"
            found.append(grids.at_chance(f"{text}, {noise} noise", values, CHANCE, *positive))
    if {"uniform", "smooth"} <= set(config.noise):
        plain, e = (of("convolutional", noise, "both heads") for noise in ("uniform", "smooth"))
        found.append(grids.against("smooth, more than uniform noise", e, plain, LESS, "uniform"))
    return found


EXPERIMENT = Experiment(
    name="mnist_cnn",
    doc=__doc__,
    presets=PRESETS,
    prepare=images.prepare,
    cells=lambda config: grid(config.members, noise=config.noise),
    rows=rows,
    group=lambda job, cells: grids.group_size(job, cells, along(job.config)),
    units={"accuracy": "fraction"},
    claims=says,
    draw=style.drawing(fig_mnist_cnn.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
