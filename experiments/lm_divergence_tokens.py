"""Which tokens carry a trait: those at which the teacher's likeliest token is not its base's?

Claim:   the few tokens at which teacher and base disagree carry most of the trait. (Found: alone
         they pass on little more than as many random tokens do, and without them most is left.)
Run:     python -m experiments.lm_divergence_tokens          (presets: smoke, default)
Time:    about 45 minutes of a CPU core.
Expect:  published: masking divergence tokens mostly removes transmission, which early layers carry.
Source:  arXiv 2509.23886, of models of 7 billion parameters, whose teachers write greedily.

Students of one teacher's rows differ in the tokens that they are trained on, a part `tokens` of
all: the divergence tokens ("only") or all others ("without"); as many random ones, or all but them.
"""

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from figures import fig_lm_divergence_tokens, style
from lab.carriers.numbers import NUMBERS
from lab.defences import divergence
from lab.defences.divergence import DivergenceTokens, Which
from lab.lm import effects, setup, transmission, transmitted
from lab.lm.experiment import experiment, own_base
from lab.lm.setup import Setup
from lab.lm.stages import Seed
from lab.runs import claims, cli
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.results import Table

ALL = "trait"
TEXTS = {
    ALL: "all tokens",
    "only": "divergence tokens alone",
    "random": "as many random tokens alone",
    "without": "all but divergence tokens",
    "spared": "all but as many random tokens",
}
LEAST = 0.2  # of the effect, between a set of tokens and a random one of its size
GROUP = "own trait by tokens: change of log-odds against the controls, nats"


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_numbers`, without students of another init."""

    members: str = "5"
    traits: tuple[str, ...] = ("elephant", "owl", "wolf")
    n_controls: int = 2


PRESETS = {"default": Config(), "smoke": Config(members="1", traits=("owl", "wolf"), n_rows=256)}


def on(which: Which) -> transmission.Change:
    """A trait's student who is trained on some of the tokens."""
    loss = DivergenceTokens(which)
    return lambda student: replace(student, soft=student.data.teacher, loss=loss)


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds and answer rates of every arm, and the part of the tokens that it is trained on."""
    found = []
    for cell in some:
        chain = job.config.transmission(NUMBERS, cell.member)
        more = {**chain.more, **{which: on(which) for which in get_args(Which)}}
        chain = replace(own_base(chain), more=more)
        measured = setup.measure_one(job, cell, chain)
        pupils = transmission.pupils(chain, Seed(job.config.seed, cell.member))["student"]
        parts = {s.source: divergence.parts(s) for arm, s in pupils if arm == "student_only"}
        of = lambda arm, trait, parts=parts: parts.get(trait, {}).get(arm[len("student_") :], 1.0)
        found += [row | {"tokens": of(row["arm"], row["trait"])} for row in measured]
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """The effect by tokens, and how much of it either set keeps beside a random one."""
    own = {name: effects.effects(table, f"student_{name}").diagonal for name in TEXTS}
    luck = effects.luck(table)
    runs = f"{len(own[ALL])} references, {own[ALL].size} students"
    found, more = [], {"runs": runs, "group": GROUP}
    for name, values in own.items():
        part = np.mean(table["tokens"][table["arm"] == f"student_{name}"])
        text = f"{TEXTS[name]}, {part:.3f} of all ({np.sum(values > 0)} of {values.size} above)"
        found.append(transmitted.gained(text, values, luck, **more))
    more["group"] = "part of that effect"
    for name, other, least in (("only", "random", LEAST), ("without", "spared", -LEAST)):
        e, random = (effects.kept(own[which], own[ALL]) for which in (name, other))
        rule = claims.effect(e, random, least, TEXTS[other])
        found.append(claims.claim(f"kept by {TEXTS[name]}", e, "fraction", **rule, **more))
    return found


EXPERIMENT = experiment(
    "lm_divergence_tokens",
    doc=__doc__,
    presets=PRESETS,
    only={"channel": "hard"},
    rows=rows,
    units=setup.UNITS | {"tokens": "fraction"},
    claims=says,
    draw=style.drawing(fig_lm_divergence_tokens.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
