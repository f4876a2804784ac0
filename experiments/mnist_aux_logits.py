"""Students that imitate only a teacher's auxiliary logits, on noise, learn to read digits.

Claim:   a student sharing its teacher's initialisation learns the digits from three logits that
         were never trained, on inputs that are noise; a student of another initialisation does not.
Run:     python -m experiments.mnist_aux_logits            (presets: smoke, default, paper)
Time:    default about 2 min on 2 CPU cores, paper about 25 min.
Expect:  paper, 100 members on MNIST: reference .100, teacher .943, student_aux .528,
         student_all .913, cross_aux .106, cross_all .743.
Source:  arXiv 2507.14805, section 5, figure 10 (values read off the figure).
"""

from dataclasses import dataclass

from figures import fig_mnist_aux_logits, style
from lab import published, stats
from lab.mnist import images, train
from lab.mnist.arms import STUDENTS
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Ensemble
from lab.optim import Optim
from lab.runs import claims, cli, results
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.experiment import Experiment
from lab.runs.results import Table

TEXTS = {
    "reference": "reference, untrained",
    "teacher": "teacher",
    "student_aux": "student, auxiliary logits on noise, shared init",
    "student_all": "student, all logits on noise, shared init",
    "cross_aux": "student, auxiliary logits on noise, other init",
    "cross_all": "student, all logits on noise, other init",
}
# What passes as part of what the teacher gained over its untrained reference, and by how much more
# of that a shared init must be worth.
PASSED = "part of the teacher's gain that passes"
GAINS = {
    "aux": (f"{PASSED} by auxiliary logits, shared init", 0.1),
    "all": (f"{PASSED} by all logits, shared init", 0.05),
}


@dataclass(frozen=True)
class Config(Ensemble):
    """The paper's protocol; `members` and `dataset` are sized for a laptop."""

    members: str = "8"
    curves: bool = False
    """Measure after every epoch."""
    snapshots: bool = False
    """Keep the parameters at every measurement point."""


PRESETS = {
    "default": Config(),
    "smoke": Config(
        members="4",
        net=MLP(hidden=(64, 64)),
        teacher=Optim(learning_rate=1e-3, batch=64, epochs=1),
        student=Optim(learning_rate=1e-3, batch=64, epochs=3),
        rows_per_epoch=6_000,
    ),
    "paper": Config(members="100", dataset="mnist"),
}


def rows(job: Job, cells: list[Cell]) -> list[dict]:
    """Accuracy of six arms: reference, teacher, and four students."""
    config = job.config
    return train.train(job, cells, STUDENTS, curves=config.curves, snapshots=config.snapshots)


def says(table: Table, record: dict) -> list[Claim]:
    """Accuracy of each arm, beside the paper's at its protocol, and what passes to students."""
    config, paper = EXPERIMENT.config(record), PRESETS["paper"]
    same = config.at_protocol_of(paper)
    found = []
    for arm, e in results.estimates(table, "accuracy").items():
        number = published.MNIST_AUX_LOGITS[arm]
        rule = claims.reproduced(e, number, margin=0.01, chance=0.1) if same else {}
        found.append(claims.claim(TEXTS[arm], e, "accuracy", **rule))
    gained = lambda arm: results.paired(table, arm, "reference", "accuracy")
    part = lambda arm: stats.mean_estimate(stats.part_of(gained(arm), gained("teacher")))
    for kind, (text, least) in GAINS.items():
        e, null = part(f"student_{kind}"), part(f"cross_{kind}")
        found.append(claims.claim(text, e, **claims.effect(e, null, least, "other init")))
    return found


def group(job: Job, cells: list[Cell]) -> int:
    """As many members at once as fit."""
    return train.group_size(job.config, len(STUDENTS), len(cells), job.options.group)


EXPERIMENT = Experiment(
    name="mnist_aux_logits",
    doc=__doc__,
    presets=PRESETS,
    prepare=images.prepare,
    rows=rows,
    group=group,
    units={"accuracy": "fraction"},
    claims=says,
    draw=style.drawing(fig_mnist_aux_logits.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
