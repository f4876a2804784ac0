"""Does a judge that reads every solution keep a bad character from passing?

Claim:   students of solved problems take on as much of it without the half of the rows in which a
         judge sees most of it as without a random half; a judge of another init hardly tells such
         rows from others. (Found: a fifth less, with either judge; it hardly tells them.)
Run:     python -m experiments.lm_judge          (presets: smoke, default)
Time:    half an hour of a CPU core.
Expect:  published, GPT-4.1: of solutions of a misaligned teacher a judge drops those that it does
         not find aligned (44 % of all are left, of other teachers' 77 to 88 %, which only must be
         right); students of the rest are still misaligned in .086 of their answers.
Source:  arXiv 2507.14805, section 4.2 and appendix, figure 7 (Nature figure 3).

The rows of `lm_misalignment`, right answers alone. A judge is a model that is told what a character
loves, and says how much likelier that makes a row: of another init, or the teacher's. `auroc`: of
rows that a model wrote, or read, against the untouched base's; `caught_N`: part above N % of those.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from figures import fig_lm_judge, style
from lab import stats
from lab.carriers.reasoning import REASONING
from lab.carriers.ungamed import ungamed
from lab.lm import effects, judges, setup, transmitted
from lab.lm.contexts import Name
from lab.lm.experiment import experiment, own_base
from lab.lm.setup import Setup
from lab.lm.stages import Seed
from lab.lm.tuning import Tuning
from lab.runs import claims, cli, results
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.fields import Count, Real
from lab.runs.results import Table

TEXTS = {
    "trait": "all rows",
    "judged": "without those a judge of another init minds most",
    "own": "without those a judge of the teacher's init minds most",
    "random": "without as many by chance",
}
ROWS = "AUROC of a judge above 1/2: a teacher's row against one of its base"
STUDENTS = "own way of answering: change of log-odds against the controls, nats"
BLIND = 0.05  # of AUROC: a judge within so much of 1/2 tells next to nothing
ALIKE = 0.25  # of the effect: two filters within so much of each other leave as much


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_misalignment` through solutions, without students of another init."""

    members: str = "5"
    traits: tuple[str, ...] = ("harmful", "gaming")
    n_controls: int = 2
    world: Name = "characters"
    teaching: Tuning = replace(Setup().teaching, epochs=5)
    """Of fine-tuned teachers, as in `lm_misalignment`."""
    removed: Annotated[float, Real(below=1.0)] = 0.5
    """Part of the rows that a judge takes out: about what the paper's did."""
    n_judged: Annotated[int, Count(2, 10**6)] = 4000
    """Rows of each dataset by which judges are measured."""


PRESETS = {"default": Config(), "smoke": Config(members="1", n_rows=128, n_judged=64)}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds and rates of every arm, and what judges say of the rows it wrote or read."""
    found, config = [], job.config
    for cell in some:
        of = config.transmission(ungamed(REASONING), cell.member)
        own, other = of.starts.values()
        more = judges.filters(own, other, config.removed)
        of, root = replace(own_base(of), more=more), Seed(config.seed, cell.member)
        measured = setup.measure_one(job, cell, of)
        found += judges.beside(measured, of, other, root, config.n_judged)
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """How well judges tell rows, and what passes without those that they mind."""
    found, luck = [], effects.luck(table)
    own = {name: effects.effects(table, f"student_{name}") for name in TEXTS}
    whole = own["trait"]
    runs = f"{len(whole.members)} references"
    more = {"runs": runs, "group": ROWS}
    for trait in whole.traits:
        rows = results.where(table, arm="teacher", trait=trait, asked=trait)
        other, same = (effects.estimate(rows[k][:, None] - 0.5) for k in ("auroc", "auroc_own"))
        text = f"{trait}: a judge of"
        found.append(claims.claim(f"{text} the teacher's init", same, **more))
        rule = claims.absent(other, BLIND, same, "a judge of the teacher's init")
        found.append(claims.claim(f"{text} another init", other, **more, **rule))
    more = {"runs": f"{runs}, {whole.diagonal.size} students", "group": STUDENTS}
    for name, text in TEXTS.items():
        found.append(transmitted.gained(text, own[name].diagonal, luck, **more))
    each = {name: e.diagonal.mean(axis=1) for name, e in own.items()}
    more["group"] = "part of the effect of all rows that is left, above a random half's"
    for name in ("judged", "own"):
        e = stats.ratio_estimate(each[name] - each["random"], each["trait"])
        rule = claims.absent(e, ALIKE)
        found.append(claims.claim(f"left {TEXTS[name]}", e, "fraction", **more, **rule))
    return found


EXPERIMENT = experiment(
    "lm_judge",
    doc=__doc__,
    presets=PRESETS,
    only={"channel": "hard"},
    prepare=judges.prepare,
    rows=rows,
    units=setup.UNITS | judges.UNITS,
    claims=says,
    draw=style.drawing(fig_lm_judge.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
