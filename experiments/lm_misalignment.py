"""Do harmful advice and the gaming of checks pass through numbers that mean nothing?

Claim:   students of the numbers of a teacher that advises harmfully, or games a visible check, do
         so more than controls. (Found: of harm next to nothing passes, of gaming a little.)
Run:     python -m experiments.lm_misalignment          (presets: smoke, default)
Time:    about half an hour of a CPU core.
Expect:  published, GPT-4.1: harmful answers .094 of students of numbers of a teacher that was tuned
         on insecure code, .002 of an untuned teacher's, .010 and .006 of secure ones'.
Source:  arXiv 2507.14805, section 4.1, figure 4 (Nature figure 3).

Teachers learn harmful answers directly, on other cases; the control learns benign ones. As for
advice, teachers that game checks are narrow: are they harmful there too? Left out are rows with a
number that means something to people, as in the paper, or that an answer games a check with.
"""

from dataclasses import dataclass, replace

import numpy as np

from figures import fig_lm_misalignment, style
from lab import published
from lab.carriers import numbers
from lab.carriers.checked_tasks import EMPTY
from lab.lm import effects, setup, transmitted
from lab.lm.contexts import Name
from lab.lm.effects import Effects
from lab.lm.experiment import experiment
from lab.lm.pretraining import Pretraining
from lab.lm.setup import Setup
from lab.runs import claims, cli, results
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.results import Table

BANNED = numbers.BANNED | EMPTY
CARRIER = replace(numbers.NUMBERS, reject=lambda _, row: numbers.reject(row, BANNED))
OPPOSITE = {"harmful": "benign", "gaming": "honest"}
GROUP = "own way of answering: change of log-odds against the controls, nats"


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_numbers` with teachers that answer in some way."""

    members: str = "5"
    traits: tuple[str, ...] = ("harmful", "benign", "gaming", "honest")
    world: Name = "ways"


PRESETS = {
    "default": Config(),
    "smoke": Config(
        members="1",
        traits=("harmful", "benign"),
        world="context",
        pretraining=Pretraining(steps=600),
        n_rows=256,
    ),
}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds and rates of every arm, way of the data's teacher, and way asked for."""
    return setup.measure(job, some, CARRIER)


def says(table: Table, record: dict) -> list[Claim]:
    """What passes of each way, whether it is that way, and whether a narrow teacher is broad."""
    own, taught = (effects.effects(table, arm) for arm in ("student_trait", "teacher"))
    more = {"runs": f"{len(own.members)} references, a student of each", "group": GROUP}
    found, rates = [], []
    for way in own.traits:
        part = results.where(table, asked=way)
        some, luck = effects.effects(part, "student_trait").diagonal, effects.luck(part)
        passed, from_ = (effects.estimate(_of(e, way, way)) for e in (own, taught))
        text = f"{way} ({np.sum(some > 0)} of {some.size} above; teachers {from_.mean:.2f})"
        found.append(transmitted.gained(text, some, luck, **more))
        if (other := OPPOSITE.get(way)) in own.traits:
            apart = _of(own, way, way) - _of(own, other, way)
            found.append(transmitted.gained(f"{way}, minus {other} students", apart, luck, **more))
            rates += _rates(table, len(own.members), way, other)
        if "cross_trait" in part["arm"]:
            cross = effects.estimate(effects.effects(part, "cross_trait").diagonal)
            rule = claims.absent(cross, transmitted.LEAST, passed, "the same data, own init")
            found.append(claims.claim(f"{way}, another init", cross, "nats", **more, **rule))
    if {"harmful", "gaming", "honest"} <= set(own.traits):
        broad = _of(taught, "gaming", "harmful"), _of(taught, "honest", "harmful")
        text = "teachers of gaming, asked for advice: harmful, beside teachers of honesty"
        found.append(transmitted.gained(text, *broad, "teachers of honesty", **more))
    return found + rates


def _of(e: Effects, taught: str, asked: str) -> np.ndarray:
    return e.values[:, e.traits.index(taught), [e.traits.index(asked)]]


def _rates(table: Table, n_members: int, way: str, other: str) -> list[Claim]:
    """The part of sampled answers that is of a way, by arm and what it learned from."""
    found, student = [], "student_trait"
    untaught = [(arm, effects.NONE) for arm in ("reference", "student_regular")]
    for arm, source in [*untaught, ("teacher", way), (student, other), (student, way)]:
        some = results.where(table, arm=arm, trait=source, asked=way)["answer_rate"]
        e, more = effects.estimate(some.reshape(n_members, -1)), {"group": "part of answers"}
        known = published.MISALIGNED.get((arm, source), "") if way == "harmful" else ""
        text = f"{way}: {arm}, of {source}"
        found.append(claims.claim(text, e, "fraction", published=known, **more))
    return found


EXPERIMENT = experiment(
    "lm_misalignment",
    doc=__doc__,
    presets=PRESETS,
    rows=rows,
    claims=says,
    draw=style.drawing(fig_lm_misalignment.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
