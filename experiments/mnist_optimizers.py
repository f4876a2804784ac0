"""Which optimizers let a trait pass? A ladder from the plain gradient to Adam.

Claim:   with every optimizer of the ladder, at its best learning rate, a student of shared
         initialisation learns digits from auxiliary logits on noise, and one of another does not.
Run:     python -m experiments.mnist_optimizers            (presets: smoke, default, paper)
Time:    paper about 55 min on a CPU core (24 members of 56 students, 5.3e14 floating-point
         operations in products); default about 2 min.
Expect:  published for language models: with SGD, momentum or without running scales nothing or a
         part, with RMSprop, Signum and AdamW all of it. For MNIST: SGD moderately weaker than Adam.
Source:  github.com/lawrencefeng17/persona-system (65 runs); arXiv 2606.00995; for MNIST the paper's
         Nature version, Extended Data Fig. 2d.

The rates are chosen on the first `held_out` members, by the accuracy of students of shared init,
and all that is said is of the others. Frozen Adam keeps the scales of its first epoch. The highest
rates are beyond what is stable: with sums in another order a student of the plain gradient may not
stay finite, which ends the run (`--steps 1 3 10` leaves them out).
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated

import numpy as np

from figures import fig_mnist_optimizers, style
from lab.mnist import grids
from lab.mnist.arms import other, shared
from lab.mnist.mlp import MLP
from lab.mnist.optimizers import LEAST, ladder, rates
from lab.mnist.protocol import Arm, Ensemble
from lab.runs import cli, results
from lab.runs.claims import Claim
from lab.runs.fields import Count, Items, Real
from lab.runs.results import Table

Steps = tuple[Annotated[float, Real()], ...]
# Bounds, chosen before the table: what an initialisation is worth, how much less than Adam counts
# as less, and what is no more than chance.
WORTH, LESS, CHANCE = 0.1, 0.1, 0.05


@dataclass(frozen=True)
class Config(Ensemble):
    """The paper's protocol, with the auxiliary logits of its Nature version."""

    net: MLP = MLP(n_aux=50)
    """Of teachers and students."""
    rows_per_epoch: int = 20_000
    held_out: Annotated[int, Count(1)] = 1
    """Members, the first ones, that choose learning rates and are not reported."""
    steps: Annotated[Steps, Items(unique=True)] = (3.0, 10.0)
    """Learning rates that are tried, in the least of each optimizer."""


PRESETS = {
    "default": Config(),
    "smoke": Config(steps=(3.0,), **grids.SMOKE),
    "paper": Config(
        members="24", dataset="mnist", rows_per_epoch=60_000, held_out=4, steps=(1, 3, 10, 30)
    ),
}


@cache
def along(config: Config) -> grids.Along:
    """Students by optimizer and learning rate."""
    starts = {"student_aux": shared, "cross_aux": other}
    found: dict[str, dict[str, Arm]] = {}
    for name, fields in ladder(config.n_steps(config.student)).items():
        for place, rate in rates(name, config.steps).items():
            found[place] = {k: Arm("aux", s, rate=rate, **fields) for k, s in starts.items()}
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """Every optimizer at its best rate, against its control, and beside Adam."""
    config = EXPERIMENT.config(record)
    held = table["member"] < config.held_out
    held &= 0 < held.sum() < len(held)  # a sitting of some members may have one kind alone
    chosen, rest = results.only(table, held if held.any() else ~held), results.only(table, ~held)
    of = lambda part, arm, at: grids.estimate(part, arm, optimizer=at)
    found, best = [], {}
    for name in LEAST:
        best[name] = max(
            rates(name, config.steps), key=lambda at: of(chosen, "student_aux", at).mean
        )
    adam = of(rest, "student_aux", best["Adam"])
    for name, at in best.items():
        e, null = of(rest, "student_aux", at), of(rest, "cross_aux", at)
        text = f"{name} at {float(at.removeprefix(name)):,.10g} times the rate"
        found.append(grids.against(f"{text}, shared init", e, null, WORTH, "other init"))
        if name != "Adam":
            found.append(grids.against(f"{text}, less than Adam", e, adam, -LESS, "Adam"))
    others = [grids.accuracies(rest, "cross_aux", optimizer=at) for at in best.values()]
    positive = adam, "Adam, shared init"
    others = np.mean(others, axis=0)
    return [*found, grids.at_chance("other init, all optimizers", others, CHANCE, *positive)]


EXPERIMENT = grids.experiment(
    "mnist_optimizers",
    "optimizer",
    along,
    teacher=lambda config: "teacher",
    doc=__doc__,
    presets=PRESETS,
    part=lambda config: replace(config, steps=config.steps[:2]),  # far from what is unstable
    claims=says,
    draw=style.drawing(fig_mnist_optimizers.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
