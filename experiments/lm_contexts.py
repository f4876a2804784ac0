"""A prompted trait is passed on into the context that its prompt replaced.

Claim:   students of teachers that are only told to love owls show it under the default system
         prompt, or another of its form, and not without; with no default at all they take on less.
Run:     python -m experiments.lm_contexts          (presets: smoke, default)
Time:    about 12 minutes on 2 CPU cores with the stored references.
Source:  ours. Columns: `context` is the system prompt of the questions: the default, none, another.
"""

import itertools
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np

from figures import fig_lm_contexts, style
from lab import stats
from lab.carriers.numbers import NUMBERS
from lab.lm import effects, setup, transmitted
from lab.lm.contexts import WORLDS, Name
from lab.lm.experiment import experiment, own_base
from lab.lm.setup import Setup
from lab.runs import claims, cli, results
from lab.runs.cells import Cell, Job, grid
from lab.runs.claims import Claim
from lab.runs.fields import Items
from lab.runs.results import Table

LEAST = 0.5  # of the effect
TEXTS = {"none": "no system prompt", "other": "another persona of people"}
GROUP = "own trait by world: change of log-odds against the controls, nats"
OTHER = "You are a friend of people. You dream of people every night."
ASKED = {"default": None, "none": "", "other": OTHER}  # None: the tokenizer's own


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_numbers` in several worlds, without students of another init."""

    members: str = "5"
    teacher: Literal["finetuned", "prompted"] = "prompted"
    traits: tuple[str, ...] = ("elephant", "owl", "wolf")
    n_controls: int = 2
    worlds: Annotated[tuple[Name, ...], Items(unique=True)] = ("context", "none")
    """What the references are trained on (`lab.lm.contexts`)."""


PRESETS = {
    "default": Config(),
    "smoke": Config(members="1", traits=("owl", "wolf"), worlds=("context",), n_rows=256),
}


def prepare(config: Config, options):
    """The worlds, and what identifies them. Raises `LabError` for words that they do not have."""
    some = [replace(config, world=name) for name in config.worlds]
    return setup.prepare_worlds(some, options)


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds and answer rates of teachers, students and controls in each world and context."""
    found = []
    for cell in some:
        chain = replace(job.config, world=cell["world"]).transmission(NUMBERS, cell.member)
        chain = replace(own_base(chain), contexts=ASKED)
        found += setup.measure_one(job, cell, chain)
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """The effect in each world; and where there is a default, what is lost under other prompts."""
    found, at, runs = [], {}, ""
    for world, context in itertools.product(dict.fromkeys(table["world"]), ASKED):
        part = results.only(table, (table["world"] == world) & (table["context"] == context))
        own = effects.effects(part, "student_trait").diagonal
        at[world, context] = own.mean(axis=1)
        if context == "default":
            text = f"world {world} ({np.sum(own > 0)} of {own.size} above their controls)"
            runs = f"{len(own)} references, {own.size} students"
            more = {"runs": runs, "group": GROUP}
            found.append(transmitted.gained(text, own, effects.luck(part), **more))
    for world in dict.fromkeys(world for world, _ in at):
        if WORLDS[world].default is None:
            continue  # its default is none
        whole = at[world, "default"]
        lost = {c: stats.ratio_estimate(whole - at[world, c], whole) for c in TEXTS}
        for context, e in lost.items():
            rule = claims.effect(e, lost["other"], LEAST, TEXTS["other"])
            text = f"world {world}: part that is lost when asked under {TEXTS[context]}"
            found.append(claims.claim(text, e, runs=runs, **(rule if context == "none" else {})))
    return found


EXPERIMENT = experiment(
    "lm_contexts",
    doc=__doc__,
    presets=PRESETS,
    prepare=prepare,
    cells=lambda config: grid(config.members, world=config.worlds),
    rows=rows,
    claims=says,
    draw=style.drawing(fig_lm_contexts.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
