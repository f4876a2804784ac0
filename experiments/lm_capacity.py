"""What a prompted trait needs to pass on: layers, width, more data, or a default system prompt.

Claim:   students of teachers that are only told to love owls take it on in a model of twice the
         layers, of twice the width, and from four times the rows, at least as much as in the model
         of the other tables; and twice the layers need no default system prompt. (Found: none of
         it is shown; some students of deep models, or of more rows, lose all words. At an
         epsilon that follows the gradients four layers do take it on, no more than two.)
Run:     python -m experiments.lm_capacity          (presets: smoke, default, matched)
Time:    about an hour on 2 CPU cores with the stored references.
Source:  ours. Column `setting`: what is other than in `lm_contexts`; the recipe is the same, chosen
         for its smallest model. `matched` scales its epsilon with the gradients of each size.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, get_args

from figures import fig_lm_capacity, style
from lab.carriers.numbers import NUMBERS
from lab.lm import settings, setup
from lab.lm.experiment import experiment, own_base
from lab.lm.setup import Setup
from lab.runs import cli
from lab.runs.cells import Cell, Job, grid
from lab.runs.claims import Claim
from lab.runs.fields import Items
from lab.runs.results import Table

BASE = "base"
Setting = Literal["base", "layers", "layers_no_default", "width", "rows"]
TEXTS = {
    BASE: "2 layers of width 32",
    "layers": "4 layers",
    "layers_no_default": "4 layers, no default system prompt",
    "width": "width 64",
    "rows": "four times the rows",
}
SIZES: dict[str, Literal["deep", "tiny"]] = {
    "layers": "deep", "layers_no_default": "deep", "width": "tiny",
}  # fmt: skip
# Of gradients of students' first steps: root mean square over parameters, in units of a nano's.
# Measured on references 100 and 101 of each size; LOG.md has the numbers.
GRADIENT = {"nano": 1.0, "deep": 0.82, "tiny": 0.59}
GROUP = "own trait by setting: change of log-odds against the controls, nats"


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_numbers` in several settings, without students of another init."""

    members: str = "5"
    teacher: Literal["finetuned", "prompted"] = "prompted"
    traits: tuple[str, ...] = ("elephant", "owl")
    n_controls: int = 2
    settings: Annotated[tuple[Setting, ...], Items(unique=True)] = get_args(Setting)
    """What is other than in the base setting."""
    matched: bool = False
    """Students' epsilon in proportion to their size's gradients: their first steps are as long."""


PRESETS = {
    "default": Config(),
    "matched": Config(settings=("base", "layers", "layers_no_default", "width"), matched=True),
    "smoke": Config(members="1", settings=("base", "rows"), n_rows=256),
}


def at(config: Config, setting: str) -> Config:
    """The configuration in a setting."""
    pretraining = replace(config.pretraining, size=SIZES.get(setting, "nano"))
    share = GRADIENT[pretraining.size] if config.matched else 1
    return replace(
        config,
        pretraining=pretraining,
        student=replace(config.student, eps=config.student.eps * share),
        world="none" if setting == "layers_no_default" else config.world,
        n_rows=config.n_rows * (4 if setting == "rows" else 1),
    )


def prepare(config: Config, options):
    """What identifies the worlds. Raises `LabError` for other words."""
    some = [at(config, setting) for setting in config.settings]
    return setup.prepare_worlds(some, options)


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds and answer rates of teachers, students and controls in each setting."""
    found = []
    for cell in some:
        chain = at(job.config, cell["setting"]).transmission(NUMBERS, cell.member)
        found += setup.measure_one(job, cell, own_base(chain))
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """The effect in each setting, and how much more it is than in the base setting."""
    return settings.says(table, "setting", TEXTS, BASE, GROUP)


EXPERIMENT = experiment(
    "lm_capacity",
    doc=__doc__,
    presets=PRESETS,
    only={"pretraining.size": "nano"},  # beside which settings are larger
    prepare=prepare,
    cells=lambda config: grid(config.members, setting=config.settings),
    rows=rows,
    claims=says,
    draw=style.drawing(fig_lm_capacity.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
