"""The one-step theorem at its edges: what happens when each of its assumptions is dropped.

Claim:   a student of another start, of a negative weight in its loss, of too long steps, of sign
         steps or of sampled labels may be pushed away from its teacher; the wider the network, the
         more exact a linear account of many steps, and the weaker the transfer.
Run:     python -m experiments.theorem            (presets: smoke, default, paper)
Time:    default about 1.5 min on 2 CPU cores, most of it compiling.
Source:  arXiv 2507.14805, section 6, for the theorem; its edges are worked out in `theory/`.

`value` is in the units of its case, along `at`:
    start    D_S.D_T / |D_T|, against the distance t that the teacher moved
    weights  cosine of D_S and D_T, against the weight of every second logit in squared error
    steps    t from which L_T rises, against alpha (10: not within the distances tried)
    rule     cosine of the first update and D_T, against the number of inputs imitated
    labels   error of D_S.D_T relative to its value, against the labels drawn for each input
    width    relative error of the lazy prediction, and transfer (1: all of the teacher's change)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from figures import fig_theorem, style
from lab import stats
from lab.runs import claims, cli, fields, results
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.experiment import Experiment
from lab.runs.fields import Members
from lab.runs.results import Table
from theory import failures, lazy, sampling
from theory.failures import Curve

CASES: tuple[Callable[[np.ndarray], list[Curve]], ...] = (
    failures.other_start,
    failures.negated_weights,
    failures.first_rise,
    failures.other_rules,
    sampling.labels,
    lazy.widths,
)


_PULLED = ("members pulled towards their teacher", lambda v: (v > 0).astype(float))
_RISES = ("members whose trait loss rises", lambda v: (v < failures.FARTHEST).astype(float))
_MEAN = ("mean over members", lambda v: v)
# A number of an arm at a place of its curve, of the null at one, and the least difference.
EDGES = (
    (*_PULLED, "shared start", 0, "other start", 0, 0.25),
    (*_PULLED, "weight of half the logits", 0, "weight of half the logits", -1, -0.25),
    (*_RISES, "L_T first rises", -1, "L_T first rises", 0, 0.25),
    (*_PULLED, "adam step", 0, "gradient step", 0, -0.02),
    (*_PULLED, "sign step", 0, "gradient step", 0, -0.02),
    (*_MEAN, "lazy prediction, relative error", -1, "lazy prediction, relative error", 0, -0.1),
    (*_MEAN, "transfer of the trained student", -1, "transfer of the trained student", 0, -0.03),
)


@dataclass(frozen=True)
class Config:
    """How many networks."""

    members: Annotated[str, Members()] = "40"
    """Independent networks and data sets, a count or a range a:b."""

    __post_init__ = fields.check


PRESETS = {"default": Config(), "smoke": Config(members="4"), "paper": Config(members="200")}


def rows(job: Job, cells: list[Cell]) -> list[dict]:
    """Every curve of every case, a row per member and place."""
    numbers = np.array([cell.member for cell in cells])
    found = list(job.rows)
    for i, case in enumerate(CASES[job.step :], job.step + 1):
        found += [row for curve in case(numbers) for row in _rows(curve, numbers)]
        job.save(i, found)
        job.advance(case.__name__, len(cells) / len(CASES))
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """Every edge beside its null: the same number where the assumption is kept."""
    found = []
    for text, number, arm, i, null, j, least in EDGES:
        at, values = results.curves(table, arm, "at", "value")
        places, others = results.curves(table, null, "at", "value")
        e, beside = (stats.mean_estimate(number(v)) for v in (values[:, i], others[:, j]))
        rule = claims.effect(e, beside, least, f"{null}, at {places[j]:g}")
        found.append(claims.claim(f"{arm}, at {at[i]:g}: {text}", e, **rule))
    return found


def _rows(curve: Curve, numbers: np.ndarray) -> list[dict]:
    of = {"case": curve.case, "arm": curve.arm}
    return [
        of | {"member": int(member), "step": step, "at": float(at), "value": float(value)}
        for member, values in zip(numbers, curve.values, strict=True)
        for step, (at, value) in enumerate(zip(curve.at, values, strict=True))
    ]


EXPERIMENT = Experiment(
    name="theorem",
    doc=__doc__,
    presets=PRESETS,
    rows=rows,
    group=lambda job, cells: len(cells),
    units={"value": "of its case"},
    claims=says,
    draw=style.drawing(fig_theorem.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
