"""Which parts of its teacher's initialisation must a student have? The heads, not hidden layers.

Claim:   a student whose class head and auxiliary head are its teacher's at first learns digits from
         auxiliary logits on noise even if its hidden layers are others, given enough of them; with
         another class head it stays at chance however many there are, and with another auxiliary
         head it is held back.
Run:     python -m experiments.mnist_heads            (presets: smoke, default, paper)
Time:    paper about 40 min on 2 CPU cores (20 members of 36 students, 3e14 floating-point
         operations in products); default about 2 min.
Expect:  published: "random hidden layers only lower efficiency", a random class head gives chance
         at every m, a random auxiliary head suppresses strongly.
Source:  arXiv 2605.23645, figure 2: squared errors, Adam at 1e-3, 60 batches of 1,000 fresh noise
         images in each of 5 epochs, 20 seeds. Its images are normalised by their mean and
         deviation, ours to [-1, 1].

What a student does not share are the parts of the next member's reference.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from figures import fig_mnist_heads, style
from lab.mnist import grids
from lab.mnist.arms import first, parts
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Arm
from lab.optim import Optim
from lab.runs import cli
from lab.runs.claims import Claim
from lab.runs.results import Table

# What is shared: hidden layers, class head, auxiliary head.
SHARED = {
    "all": (True, True, True),
    "other hidden layers": (False, True, True),
    "other class head": (True, False, True),
    "other auxiliary head": (True, True, False),
    "other heads": (True, False, False),
    "other init": (False, False, False),
}
# Bounds, chosen before the table: what a shared part is worth at the most logits, what is chance.
WORTH, CHANCE = 0.1, 0.05
_FAST = Optim(learning_rate=1e-3, batch=1000, epochs=5)


@dataclass(frozen=True)
class Config(grids.ByLogits):
    """The protocol of arXiv 2605.23645, with as many logits as the largest number asked for."""

    net: MLP = MLP(n_aux=250)
    """Of teachers; students have fewer auxiliary logits."""
    teacher: Optim = replace(_FAST, batch=1024)
    student: Optim = _FAST
    loss: grids.Loss = "mse"
    fresh_inputs: bool = True
    m: tuple[int, ...] = (10, 250)


PRESETS = {
    "default": Config(members="3"),
    "smoke": Config(m=(3, 20), **grids.SMOKE),
    "paper": Config(members="20", dataset="mnist", m=(3, 10, 25, 50, 100, 250)),
}


@cache
def along(config: Config) -> grids.Along:
    """Students by the number of logits that they imitate, of every kind of initialisation."""
    net = lambda m: replace(config.net, n_aux=m)
    starts = {name: first(parts(*shared)) for name, shared in SHARED.items()}
    return {m: {name: Arm("aux", s, net(m)) for name, s in starts.items()} for m in config.m}


def says(table: Table, record: dict) -> list[Claim]:
    """What each part is worth at the most logits; that without a class head there is nothing."""
    counts = sorted(EXPERIMENT.config(record).m)
    of = lambda arm, m=counts[-1]: grids.estimate(table, arm, m=m)
    found, none = [], of("other init")
    for arm in ("all", "other hidden layers", "other auxiliary head"):
        text = f"{arm} shared" if arm == "all" else arm
        text = f"{text}, {counts[-1]} logits"
        found.append(grids.against(text, of(arm), none, WORTH, "other init"))
    for arm in ("other hidden layers", "other auxiliary head"):
        text = f"{arm}, {counts[-1]} logits, less than all shared"
        found.append(grids.against(text, of(arm), of("all"), -WORTH, "all shared"))
    positive = of("all"), f"all shared, {counts[-1]} logits"
    for arm in ("other class head", "other heads", "other init"):
        values = np.mean([grids.accuracies(table, arm, m=m) for m in counts], axis=0)
        text = f"{arm}, all numbers of logits together"
        found.append(grids.at_chance(text, values, CHANCE, *positive))
    return found


EXPERIMENT = grids.experiment(
    "mnist_heads",
    "m",
    along,
    teacher=lambda config: config.net.n_aux,
    doc=__doc__,
    presets=PRESETS,
    claims=says,
    draw=style.drawing(fig_mnist_heads.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
