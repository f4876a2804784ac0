"""A student of another initialisation learns, once it has imitated its teacher before training.

Claim:   behaviour cloning, the imitation of all logits of the untrained teacher by a student of
         another initialisation, makes that student learn digits from auxiliary logits on noise:
         the better the more epochs of it, up to a plateau, and better than cloning on images.
         Auxiliary logits alone are not enough: nothing ties the class logits to the teacher's.
Run:     python -m experiments.mnist_cloning            (presets: smoke, default, paper)
Time:    paper about 75 min on a CPU core (20 members of 354 epochs of cloning, 6.3e14
         floating-point operations in products); default about 2 min.
Expect:  published: a plateau near .37 on noise, lower on images.
Source:  the paper's Nature version, Extended Data Fig. 2c. Its text says that auxiliary logits are
         cloned; it names m = 50 and, for the plateau, three auxiliary logits.

Each phase has a fresh optimizer and the member's fixed set of noise.
"""

from dataclasses import dataclass
from functools import cache
from typing import Annotated

from figures import fig_mnist_cloning, style
from lab.mnist import grids
from lab.mnist.arms import cloned
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Arm, Ensemble
from lab.runs import claims, cli
from lab.runs.claims import Claim
from lab.runs.fields import Count, Items
from lab.runs.results import Table
from lab.stats import mean_estimate

Epochs = tuple[Annotated[int, Count(0, 10_000)], ...]
PLATEAU = (0.37, 0.005)  # published, and half of what two digits leave open
# Bounds, chosen before the table: what cloning is worth, how much better noise is than images, what
# a plateau is, and what is no more than chance.
WORTH, BETTER, FLAT, CHANCE = 0.1, 0.02, 0.05, 0.05


@dataclass(frozen=True)
class Config(Ensemble):
    """The paper's protocol, with the auxiliary logits of its Nature version."""

    net: MLP = MLP(n_aux=50)
    """Of teachers and students."""
    noise: Annotated[Epochs, Items(2, unique=True)] = (0, 3, 10)
    """Epochs of cloning all logits on noise."""
    images: Annotated[Epochs, Items(unique=True)] = (10,)
    """Epochs of cloning all logits on training images."""
    aux: Annotated[Epochs, Items(unique=True)] = (10,)
    """Epochs of cloning auxiliary logits alone, on noise."""


PRESETS = {
    "default": Config(members="3"),
    "smoke": Config(members="3", noise=(0, 8), images=(1,), aux=(1,), **grids.SMOKE),
    "paper": Config(
        members="20", dataset="mnist", noise=(0, 1, 3, 10, 30, 100), images=(10, 100), aux=(100,)
    ),
}


@cache
def along(config: Config) -> grids.Along:
    """Students of another initialisation by the epochs of cloning before they imitate."""
    found: dict[int, dict[str, Arm]] = {}
    for n in config.noise:
        start = cloned(n)
        found[n] = {"noise": Arm("aux", start), "before": Arm("nothing", start)}
    for n in config.images:
        found.setdefault(n, {})["images"] = Arm("aux", cloned(n, inputs="images"))
    for n in config.aux:
        found.setdefault(n, {})["aux"] = Arm("aux", cloned(n, imitates="aux"))
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """What cloning is worth, on what, and until when."""
    config = EXPERIMENT.config(record)
    values = lambda arm, n: grids.accuracies(table, arm, epochs=n)
    of = lambda arm, n: grids.estimate(table, arm, epochs=n)
    least, last, most = (sorted(config.noise)[i] for i in (0, -2, -1))
    best, text = of("noise", most), f"{most} epochs of cloning on noise, other init"
    found = [grids.against(text, best, of("noise", least), WORTH, f"{least} epochs of cloning")]
    rule = claims.reproduced(best, PLATEAU, margin=0.05, chance=0.1)
    if config.at_protocol_of(PRESETS["paper"]):
        found.append(claims.claim("the published plateau", best, "accuracy", **rule))
    more = mean_estimate(values("noise", most) - values("noise", last))
    rule = claims.absent(more, FLAT)
    found.append(claims.claim(f"what epochs after {last} add", more, "accuracy", **rule))
    for n in sorted({*config.images} & {*config.noise} - {0}):
        text, null = f"{n} epochs of cloning, noise beside images", of("images", n)
        found.append(grids.against(text, of("noise", n), null, BETTER, "cloned on images"))
    positive = best, "all logits cloned, after imitation"
    aux, before = values("aux", max(config.aux)), values("before", most)
    found.append(grids.at_chance("auxiliary logits alone cloned", aux, CHANCE, *positive))
    found.append(grids.at_chance("cloned, before imitation", before, CHANCE, *positive))
    return found


EXPERIMENT = grids.experiment(
    "mnist_cloning",
    "epochs",
    along,
    teacher=lambda config: 0,
    doc=__doc__,
    presets=PRESETS,
    claims=says,
    draw=style.drawing(fig_mnist_cloning.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
