"""The one-step theorem at its edges: what happens when each of its assumptions is dropped.

Claim:   a student of another start, of a loss with a negative weight, of steps that are too long,
         of sign steps or of sampled labels may be pushed away from its teacher, and by how much is
         known; and the wider the network, the more exact a linear account of many steps, and the
         weaker the transfer through shared hidden layers.
Run:     python -m experiments.theorem            (presets: smoke, default, paper)
Time:    default about 1.5 min on 2 CPU cores, most of it compiling.
Source:  arXiv 2507.14805, section 6, for the theorem; its edges are worked out in `theory/`.

`value` is in the units of its case, along `at`:
    start    D_S.D_T / |D_T|, against the distance t that the teacher moved
    weights  cosine of D_S and D_T, against the weight of every second logit in squared error
    steps    t from which L_T rises, against alpha (10: not up to there)
    rule     cosine of the first update and D_T, against the number of inputs imitated
    labels   error of D_S.D_T relative to its value, against the labels drawn for each input
    width    relative error of the lazy prediction, and transfer (1: all of the teacher's change)
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from figures import fig_theorem, style
from lab import cli
from lab.progress import Meter
from lab.results import Result
from lab.run import Run
from theory import failures, lazy, sampling
from theory.failures import Curve

NAME = "theorem"
CASES: tuple[Callable[[np.ndarray], list[Curve]], ...] = (
    failures.other_start,
    failures.negated_weights,
    failures.first_rise,
    failures.other_rules,
    sampling.labels,
    lazy.widths,
)
CONTRASTS = (("sign step", "gradient step"),)


@dataclass(frozen=True)
class Config:
    """How many networks."""

    members: str = "40"
    """Independent networks and data sets, a count or a range a:b."""


PRESETS = {"default": Config(), "smoke": Config(members="4"), "paper": Config(members="200")}


def prepare(config: Config, options: cli.Options) -> tuple[np.ndarray, dict]:
    """Member numbers; the data are random numbers of each member's own."""
    return cli.members(config.members), {"name": "random networks"}


def main(config: Config, data: np.ndarray, run: Run, options: cli.Options) -> Result:
    """Every curve of every case, a row per member and place."""
    rows = []
    with Meter(len(CASES)) as meter:
        for case in CASES:
            for curve in case(data):
                rows += _rows(curve, data)
            meter.advance(case.__name__)
    return Result(rows, units={"value": "of its case"}, contrasts=CONTRASTS)


def _rows(curve: Curve, numbers: np.ndarray) -> list[dict]:
    return [
        {
            "case": curve.case,
            "arm": curve.arm,
            "member": int(member),
            "step": step,
            "at": float(at),
            "value": float(value),
        }
        for member, values in zip(numbers, curve.values, strict=True)
        for step, (at, value) in enumerate(zip(curve.at, values, strict=True))
    ]


if __name__ == "__main__":
    cli.start(NAME, __doc__, PRESETS, prepare, main, partial(style.draw, fig_theorem.figure))
