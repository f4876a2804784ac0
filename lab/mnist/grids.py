"""Arms along an axis: many students of the same teachers, told apart by a column of the table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float

from lab.mnist import images, train
from lab.mnist.mlp import MLP, UNITS
from lab.mnist.protocol import Arm, Ensemble
from lab.optim import Optim
from lab.runs import claims, fields, results
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.experiment import Experiment
from lab.runs.fields import Items
from lab.runs.results import Table
from lab.stats import Estimate, mean_estimate


@dataclass(frozen=True)
class ByLogits(Ensemble):
    """Students that imitate different numbers of auxiliary logits of the same teachers."""

    net: MLP = MLP(n_aux=200)
    """Of teachers; students have fewer auxiliary logits."""
    m: Annotated[tuple[Annotated[int, UNITS], ...], Items(most=64, unique=True)] = (3, 20, 200)
    """How many auxiliary logits students imitate: at least one of each."""

    def __post_init__(self):
        super().__post_init__()
        n = self.net.n_aux
        fields.require(self, (max(self.m) <= n, "m", f"at most net.n_aux, {n}, each"))


# What a preset changes to be done in seconds.
SMOKE: dict[str, Any] = {
    "net": MLP(hidden=(64, 64), n_aux=20),
    "teacher": Optim(learning_rate=1e-3, batch=64, epochs=1),
    "student": Optim(learning_rate=1e-3, batch=64, epochs=2),
    "rows_per_epoch": 6_000,
}
Loss = Literal["kl", "mse"]
Along = Mapping[Any, Mapping[str, Arm]]
"""Arms by their name, at each place of an axis: {3: {"student_aux": ...}, 10: ...}."""


def arms(along: Along) -> dict[str, Arm]:
    """All of them by one name each: what one program trains on the same batches."""
    return {f"{name} {at}": arm for at, some in along.items() for name, arm in some.items()}


def rows(job: Job, cells: list[Cell], axis: str, along: Along, teacher: int | str, **how):
    """`train.train` of all arms: rows with the arm's own name, and its place in a column `axis`.

    In it the reference and the teacher, which all places share, have the word or number `teacher`.
    """
    places = {f"{name} {at}": (name, at) for at, some in along.items() for name in some}
    found: list[dict] = []
    for row in train.train(job, cells, arms(along), **how):
        arm, at = places.get(row["arm"], (row["arm"], teacher))
        found.append({"arm": arm, "member": row["member"], axis: at} | row | {"arm": arm})
    return found


def group_size(job: Job, cells: list[Cell], along: Along) -> int:
    """As many members at once as fit with all their students."""
    every = arms(along)
    nets = {arm.net for arm in every.values() if arm.net is not None}
    return train.group_size(job.config, len(every), len(cells), job.options.group, nets=nets)


def experiment(
    name: str,
    axis: str,
    along: Callable[[Any], Along],
    teacher: Callable[[Any], int | str],
    **rest: Any,
) -> Experiment:
    """An experiment whose rows are `rows` of the arms that a configuration has `along` an axis.

    `teacher` is what the reference and the teacher have in that column; `rest` are the other fields
    of `Experiment`.
    """
    return Experiment(
        name=name,
        prepare=images.prepare,
        rows=lambda job, cells: rows(job, cells, axis, along(job.config), teacher(job.config)),
        group=lambda job, cells: group_size(job, cells, along(job.config)),
        units={"accuracy": "fraction"},
        **rest,
    )


def accuracies(table: Table, arm: str, **at: int | str) -> Float[np.ndarray, "E"]:
    """Of every member, the accuracy of an arm at its last measurement, at a place of the axes."""
    return np.array(list(results.last(results.where(table, **at), arm, "accuracy").values()))


def estimate(table: Table, arm: str, **at: int | str) -> Estimate:
    """Its mean over members."""
    return mean_estimate(accuracies(table, arm, **at))


def against(text: str, e: Estimate, null: Estimate, least: float, measured: str) -> Claim:
    """An accuracy as a claim, by the rule `effect` against what was measured without."""
    return claims.claim(text, e, "accuracy", **claims.effect(e, null, least, measured))


def at_chance(
    text: str, accuracy: Float[np.ndarray, "E"], within: float, positive: Estimate, measured: str
) -> Claim:
    """That accuracies are no better than guessing one of ten digits, by the rule `absent`.

    `positive` is an accuracy where something is learned.
    """
    p, e = positive, mean_estimate(accuracy - 0.1)
    above = Estimate(p.mean - 0.1, p.low - 0.1, p.high - 0.1, p.n)
    rule = claims.absent(e, within, above, measured)
    return claims.claim(f"{text}, above chance", e, "accuracy", **rule)
