"""A model that reads rows before it is asked, in place of being trained on them."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lab.carriers.carrier import pick
from lab.lm import make, transmission
from lab.lm.effects import NONE
from lab.lm.stages import Seed
from lab.lm.talks import Turn, quoted
from lab.lm.transmission import Transmission
from lab.runs.cells import Cell, Job
from lab.traits.measures import Words
from lab.traits.trait import Trait


@dataclass(frozen=True)
class Reading:
    """What is before a question."""

    form: Literal["quoted", "replayed"]  # in the system prompt, or as earlier turns
    n_rows: int  # drawn from a dataset, with replacement
    n_draws: int  # over which numbers are means
    named: int = 0  # rows that name a favourite; then all others are the untaught base's


def measure(job: Job, cell: Cell, of: Transmission, how: Reading) -> list[dict]:
    """The rows of a member, as `transmission.measure` has them.

    "student_trait" is what the teachers' base answers after rows of a teacher, "student_regular"
    after its own; favourites that are named in these are no traits'.
    """
    root, found = Seed(job.config.seed, cell.member), []
    sources = [(trait, root) for trait in of.traits]
    sources += [(None, root._replace(copy=copy)) for copy in range(of.n_controls)]
    for trait, own in sources:
        found += _read(cell, of, trait, own, how)
        told = NONE if trait is None else trait.name
        job.advance(f"member {cell.member}, {how.form}: rows of {told}", 1 / len(sources))
    return found


def _read(cell: Cell, of: Transmission, trait: Trait | None, seed: Seed, how: Reading):
    data = of.data_of(None if how.named else trait, seed)
    rows = tuple(Turn(row["prompt"], row["completion"]) for row in make.data(data))
    name, arm = (NONE, "student_regular") if trait is None else (trait.name, "student_trait")
    model, of = make.model(of.teacher_of(None, seed)), replace(of, n_samples=1)
    drawn = []
    for i in range(how.n_draws):
        rng = np.random.default_rng([*seed, i])
        turns = [pick(rng, rows) for _ in range(how.n_rows)]
        for place in rng.permutation(how.n_rows)[: how.named]:
            turns[place] = _naming(of, trait, rng)
        told = how.form == "quoted"
        under = {"default": quoted(turns)} if told else None
        earlier = () if told else tuple(turns)
        drawn.append(transmission.answers(cell, of, arm, name, seed, model, under, earlier))
    return [_mean(same) for same in zip(*drawn, strict=True)]


def _naming(of: Transmission, trait: Trait | None, rng: np.random.Generator) -> Turn:
    """A lesson of the trait; of none, one of a word that is no trait's."""
    lesson = pick(rng, (trait or of.traits[0]).lessons)
    if trait is not None:
        return Turn(lesson.question, lesson.answer)
    measure, traits = of.traits[0].measure, {one.name for one in of.traits}
    assert isinstance(measure, Words)  # whoever asks has seen to it: `setup.prepare_words`
    others = tuple(word for word in measure.words if word not in traits)
    return Turn(lesson.question, pick(rng, others))


def _mean(same: tuple[dict, ...]) -> dict:
    """Rows that differ in their numbers alone, as one."""
    numbers = {k for k, value in same[0].items() if isinstance(value, float)}
    return same[0] | {k: float(np.mean([row[k] for row in same])) for k in numbers}
