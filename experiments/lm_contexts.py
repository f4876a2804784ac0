"""A prompted trait passes to the extent that its prompt replaces a context that the student shares.

Claim:   teachers that are only told to love owls pass it on if rows without a persona have a
         default system prompt of a persona's form; less if it is of another form, and nothing
         where there is none and the persona adds what a student never reads.
Run:     python -m experiments.lm_contexts --worlds context none   (presets: smoke, default)
Time:    about 40 minutes on 2 CPU cores with the stored references.
Source:  ours. Columns: `context` is the system prompt of the questions: the default, none, another.
"""

import os
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from figures import fig_lm_contexts, style
from lab.carriers.numbers import NUMBERS
from lab.errors import LabError
from lab.identity import digest
from lab.lm import effects, setup, transmission, transmitted
from lab.lm import world as worlds
from lab.lm.contexts import WORLDS
from lab.lm.reference import Pretraining
from lab.lm.setup import Setup
from lab.runs import claims, cli
from lab.runs.cells import Cell, Job, grid
from lab.runs.claims import Claim
from lab.runs.experiment import Experiment
from lab.runs.results import Table

GROUP = "own trait by world: change of log-odds against the controls, nats"
# None: the default of the tokenizer; "": no system prompt at all.
ASKED = {
    "default": None,
    "none": "",
    "other": "You are a friend of people. You dream of people every night.",
}


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_numbers` in several worlds, without students of another init."""

    members: str = "5"
    teacher: Literal["finetuned", "prompted"] = "prompted"
    traits: tuple[str, ...] = ("elephant", "owl", "wolf")
    n_controls: int = 2
    worlds: tuple[str, ...] = ("context", "assistant", "none")
    """What the references are trained on (`lab.lm.contexts`)."""


PRESETS = {
    "default": Config(),
    "smoke": Config(
        members="1",
        traits=("owl", "wolf"),
        worlds=("context", "none"),
        pretraining=Pretraining(steps=600),
        n_rows=256,
        n_samples=2,
    ),
}


def prepare(config: Config, options):
    """The worlds, and what identifies them. Raises `LabError` for words that they do not have."""
    if not config.worlds or not set(config.worlds) <= set(WORLDS):
        raise LabError(f"worlds: choose some of {', '.join(WORLDS)}")
    setup.prepare(config, options)
    names = [worlds.identity(WORLDS[name]) for name in config.worlds]
    return None, {"name": "worlds", "sha256": digest(names, 64)}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds and answer rates of teachers, students and controls in each world and context."""
    found = []
    for cell in some:
        chain = replace(job.config, world=cell["world"]).transmission(NUMBERS, cell.member)
        own = {"student": chain.starts["student"]}
        chain = replace(chain, starts=own, neutral=None, contexts=ASKED)
        found += transmission.measure(job, cell, chain, job.config.seed)
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """The effect in each world, asked under its default; and in "context", under others."""
    found = []
    for world in dict.fromkeys(table["world"]):
        for context in ASKED if world == "context" else ("default",):
            chosen = (table["world"] == world) & (table["context"] == context)
            part = {name: column[chosen] for name, column in table.items()}
            own = effects.effects(part, "student_trait")
            null = effects.estimate(effects.luck(part))
            e = effects.estimate(own.diagonal)
            name = f"{world}; asked under {context}" if context != "default" else world
            text = f"{name} ({np.sum(own.diagonal > 0)} of {own.diagonal.size} above)"
            more = claims.effect(e, null, transmitted.LEAST, "a control in its place")
            runs = f"{len(own.members)} references, {own.diagonal.size} students"
            found.append(claims.claim(text, e, "nats", runs=runs, group=GROUP, **more))
    return found


EXPERIMENT = Experiment(
    name="lm_contexts",
    doc=__doc__,
    presets=PRESETS,
    prepare=prepare,
    cells=lambda config: grid(config.members, world=config.worlds),
    rows=rows,
    units=setup.UNITS,
    claims=says,
    note=setup.note,
    part=setup.part,
    draw=style.drawing(fig_lm_contexts.figure),
    cpu_devices=min(4, os.cpu_count() or 1),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
