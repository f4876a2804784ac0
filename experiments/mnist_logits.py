"""How many auxiliary logits does it take? From one to two hundred, of the same teachers.

Claim:   the more of its teacher's auxiliary logits a student imitates on noise, the nearer it comes
         to the teacher in reading digits, if they share an initialisation; one of another
         initialisation stays at chance however many there are.
Run:     python -m experiments.mnist_logits            (presets: smoke, default, paper)
Time:    paper about 21 min on 2 CPU cores (22 students of 20 teachers, 1.8e14 floating-point
         operations in products), 19 as two sittings with a core each; default about 2 min.
Expect:  published for m = 3: .528; for many logits, "approaches the teacher" (.943).
Source:  the paper's Nature version, Extended Data Fig. 2b; m = 3: arXiv 2507.14805, figure 10.

Students of all m and of both initialisations learn from one teacher on the same batches: its
network has as many auxiliary logits as the largest m, and a student the first m of them.
"""

from dataclasses import dataclass
from functools import cache
from typing import Annotated

import numpy as np

from figures import fig_mnist_logits, style
from lab import published, stats
from lab.mnist import arms, grids, images
from lab.mnist.mlp import MLP, UNITS
from lab.runs import claims, cli, fields
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.experiment import Experiment
from lab.runs.fields import Items
from lab.runs.results import Table

MANY = (1, 2, 3, 4, 6, 10, 16, 25, 40, 70, 120, 200)
# Bounds, chosen before the table: what a shared init is worth at every m, how near to the teacher
# the most logits come, and what is no more than chance.
WORTH, NEAR, CHANCE = 0.1, 0.1, 0.05
LACKS = "what students of most logits lack of their teachers"
OTHER = "other init, all numbers of logits together, above chance"


@dataclass(frozen=True)
class Config(grids.Config):
    """The paper's protocol, with as many auxiliary logits as the largest number asked for."""

    net: MLP = MLP(n_aux=200)
    """Of teachers; students have fewer auxiliary logits."""
    m: Annotated[tuple[Annotated[int, UNITS], ...], Items(most=64, unique=True)] = (3, 20, 200)
    """How many auxiliary logits students imitate: at least one of each."""

    def __post_init__(self):
        super().__post_init__()
        n = self.net.n_aux
        fields.require(self, (max(self.m) <= n, "m", f"at most net.n_aux, {n}, each"))


PRESETS = {
    "default": Config(),
    "smoke": Config(m=(1, 3, 20), **grids.SMOKE),
    "paper": Config(members="20", dataset="mnist", m=MANY),
}


@cache
def along(config: Config) -> grids.Along:
    """Students and their controls by the number of logits that they imitate."""
    return arms.of_first_logits(config, config.m)


def rows(job: Job, cells: list[Cell]) -> list[dict]:
    """Accuracy of the reference, the teacher, and two students for each number of logits."""
    return grids.rows(job, cells, "m", along(job.config), job.config.net.n_aux)


def says(table: Table, record: dict) -> list[Claim]:
    """Every number of logits against its control; what the most of them give, and lack."""
    config, paper = EXPERIMENT.config(record), PRESETS["paper"]
    known = config.at_protocol_of(paper) and published.MNIST_AUX_LOGITS["student_aux"]
    of = lambda arm, m: grids.accuracies(table, arm, m=m)
    counts, most = sorted(config.m), max(config.m)
    teacher = of("teacher", config.net.n_aux)
    found = [claims.claim("teacher", stats.mean_estimate(teacher), "accuracy")]
    for m in counts:
        e, null = (stats.mean_estimate(of(arm, m)) for arm in ("student_aux", "cross_aux"))
        rule = claims.effect(e, null, WORTH, "other init") if m > 1 else {}
        if m == 3 and known:
            said = claims.reproduced(e, known, margin=0.02, chance=0.1)
            found.append(claims.claim("three auxiliary logits, as published", e, **said))
        found.append(claims.claim(f"{m} auxiliary logits, shared init", e, "accuracy", **rule))
    lacks = stats.mean_estimate(teacher - of("student_aux", most))
    found.append(claims.claim(LACKS, lacks, "accuracy", **claims.absent(lacks, NEAR)))
    above = stats.mean_estimate(np.mean([of("cross_aux", m) - 0.1 for m in counts], axis=0))
    rule = claims.absent(above, CHANCE, f"shared init, {most} logits")
    return [*found, claims.claim(OTHER, above, "accuracy", **rule)]


EXPERIMENT = Experiment(
    name="mnist_logits",
    doc=__doc__,
    presets=PRESETS,
    prepare=images.prepare,
    rows=rows,
    group=lambda job, cells: grids.group_size(job, cells, along(job.config)),
    units={"accuracy": "fraction"},
    claims=says,
    draw=style.drawing(fig_mnist_logits.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
