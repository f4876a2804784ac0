"""How many auxiliary logits does it take? From one to two hundred, of the same teachers.

Claim:   the more of its teacher's auxiliary logits a student imitates on noise, the nearer it comes
         to the teacher in reading digits, if they share an initialisation; one of another
         initialisation stays at chance however many there are.
Run:     python -m experiments.mnist_logits            (presets: smoke, default, paper)
Time:    paper 10 min as two sittings with a CPU core each (AVX-512; 26 min at 62 GFLOP/s a core:
         22 students of 20 teachers, 1.8e14 operations in products); default about 2 min.
Expect:  published for m = 3: .528; for many logits, "approaches the teacher" (.943).
Source:  the paper's Nature version, Extended Data Fig. 2b; m = 3: arXiv 2507.14805, figure 10.

Students of all m and of both initialisations learn from one teacher on the same batches: its
network has as many auxiliary logits as the largest m, and a student the first m of them.
"""

from functools import cache

import numpy as np

from figures import fig_mnist_logits, style
from lab import published, stats
from lab.mnist import arms, grids
from lab.runs import claims, cli
from lab.runs.claims import Claim
from lab.runs.results import Table

MANY = (1, 2, 3, 4, 6, 10, 16, 25, 40, 70, 120, 200)
# Bounds, chosen before the table: what a shared init is worth at every m, how near to the teacher
# the most logits come, and what is no more than chance.
WORTH, NEAR, CHANCE = 0.1, 0.1, 0.05
LACKS = "what students of most logits lack of their teachers"
OTHER = "other init, all numbers of logits together"


Config = grids.ByLogits
PRESETS = {
    "default": Config(),
    "smoke": Config(m=(1, 3, 20), **grids.SMOKE),
    "paper": Config(members="20", dataset="mnist", m=MANY),
}


@cache
def along(config: Config) -> grids.Along:
    """Students and their controls by the number of logits that they imitate."""
    return arms.of_first_logits(config, config.m)


def says(table: Table, record: dict) -> list[Claim]:
    """Every number of logits against its control; what the most of them give, and lack."""
    config, paper = EXPERIMENT.config(record), PRESETS["paper"]
    known = config.at_protocol_of(paper) and published.MNIST_AUX_LOGITS["student_aux"]
    values = lambda arm, m: grids.accuracies(table, arm, m=m)
    counts, most = sorted(config.m), max(config.m)
    teacher = values("teacher", config.net.n_aux)
    found = [claims.claim("teacher", stats.mean_estimate(teacher), "accuracy")]
    for m in counts:
        e, null = (grids.estimate(table, arm, m=m) for arm in ("student_aux", "cross_aux"))
        if m == 3 and known:
            rule = claims.reproduced(e, known, margin=0.02, chance=0.1)
            found.append(claims.claim("three auxiliary logits, as published", e, **rule))
        text = f"{m} auxiliary logits, shared init"
        plain = claims.claim(text, e, "accuracy")  # of one logit nothing is claimed
        found.append(grids.against(text, e, null, WORTH, "other init") if m > 1 else plain)
    lacks = stats.mean_estimate(teacher - values("student_aux", most))
    found.append(claims.claim(LACKS, lacks, "accuracy", **claims.absent(lacks, NEAR)))
    others = np.mean([values("cross_aux", m) for m in counts], axis=0)
    positive = stats.mean_estimate(values("student_aux", most)), f"shared init, {most} logits"
    return [*found, grids.at_chance(OTHER, others, CHANCE, *positive)]


EXPERIMENT = grids.experiment(
    "mnist_logits",
    "m",
    along,
    teacher=lambda config: config.net.n_aux,
    doc=__doc__,
    presets=PRESETS,
    claims=says,
    draw=style.drawing(fig_mnist_logits.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
