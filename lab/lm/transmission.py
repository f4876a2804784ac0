"""One member of a language experiment: teachers, what they write, students of it, and answers.

Rows have arm, the cell's columns, trait (of the student's source), asked (the trait asked for), and
the numbers of the trait's measure. Arms: "reference" and "teacher"; "student_*" start from the
teacher's base and "cross_*" from another; "*_trait" learn from a teacher, "*_regular" from the
untouched base, the control.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import numpy as np

from lab.carriers.carrier import Carrier
from lab.lm import make
from lab.lm.effects import NONE
from lab.lm.finetune import Tuning
from lab.lm.model import Model
from lab.lm.objectives import Loss
from lab.lm.reference import Reference, obtain
from lab.lm.stages import Base, Dataset, Seed, Step, Student, Teacher, trait_name
from lab.runs.cells import Cell, Job
from lab.traits.trait import Asked, Trait

STUDENTS_AT_ONCE = 4  # in one program; more of them are no faster on two cores


@dataclass(frozen=True)
class Transmission:
    """What is passed on, through what, to whom."""

    traits: tuple[Trait, ...]
    carrier: Carrier
    starts: Mapping[str, Base]  # of the students; the first is the teachers' base
    teaching: Tuning | None  # None: teachers are told by a system prompt
    student: Tuning
    n_rows: int
    channel: Literal["hard", "soft"] = "hard"  # samples, or distributions on the base's rows
    steps: tuple[Step, ...] = ()  # of defences, on every dataset
    loss: Loss | None = None  # of students, if it is another
    n_samples: int = 25  # sampled answers to each question

    def teacher_of(self, trait: Trait | None, seed: Seed) -> Teacher | Base:
        """The teacher with a trait; with none, the base itself."""
        base = next(iter(self.starts.values()))
        return base if trait is None else Teacher(base, trait, self.teaching, seed)

    def student_of(
        self, base: Base, trait: Trait | None, seed: Seed, along: bool = False
    ) -> Student:
        """The student of a teacher."""
        soft = self.channel == "soft"
        writer = self.teacher_of(None if soft else trait, seed)
        data = Dataset(writer, self.carrier, self.n_rows, seed, self.steps)
        imitated = self.teacher_of(trait, seed) if soft else None
        return Student(base, data, self.student, seed, imitated, self.loss, along)


def measure(job: Job, cell: Cell, of: Transmission, seed: int, snapshots: bool = False):
    """The rows of one member.

    Datasets are copied to the run folder, `data/`; with `snapshots` the parameters of teachers and
    students, and of students along their training, to `snapshots/`.
    """
    root = Seed(seed, cell.member)
    sources: list[Trait | None] = [*of.traits, None]
    share = 1 / (len(sources) * (1 + len(of.starts)))  # writing takes about as long as training
    ask = partial(_ask, cell, of, root)
    tag = lambda name: "_".join(["member", *map(str, cell.columns.values()), name])
    obtain([base for base in of.starts.values() if isinstance(base, Reference)])  # at once
    base = make.model(of.teacher_of(None, root))
    found = ask("reference", NONE, base)
    for trait in sources:
        teacher = of.teacher_of(trait, root)
        name = trait_name(teacher)
        data = Dataset(teacher, of.carrier, of.n_rows, root, of.steps)
        folder = make.data_folder(data)
        (job.run.folder / "data").mkdir(exist_ok=True)
        for part, ending in (("rows.jsonl", ".jsonl"), ("attempts.json", ".json")):
            shutil.copy(folder / part, job.run.folder / "data" / (tag(name) + ending))
        job.advance(f"member {cell.member}: {of.carrier.name} of {name}", share)
        if trait is not None:
            model = make.model(teacher)
            if snapshots:
                whole = jax.tree.map(np.asarray, model.params)
                job.run.snapshot(tag(f"teacher_{name}"), whole)
            found += ask("teacher", name, model, getattr(teacher, "system", None))
    at_once = job.options.group or STUDENTS_AT_ONCE
    for start, first in ((s, i) for s in of.starts for i in range(0, len(sources), at_once)):
        part = sources[first : first + at_once]
        some = [of.student_of(of.starts[start], t, root, snapshots) for t in part]
        found += _train(job, some, start, share, ask, tag)
    return found


def _train(job: Job, some: Sequence[Student], start: str, share: float, ask, tag) -> list[dict]:
    told = 0.0

    def report(text: str, part: float) -> None:
        nonlocal told
        told += part
        job.advance(f"{start}: {text}", part * share * len(some))

    models = make.students(some, report)
    job.advance(f"{start} of {', '.join(s.source for s in some)}", (1 - told) * share * len(some))
    found = []
    for student, model in zip(some, models, strict=True):
        kind = "regular" if student.source == NONE else "trait"
        if student.along:
            folder = job.run.folder / "snapshots"
            folder.mkdir(exist_ok=True)
            for path in sorted((make.place(student) / "along").iterdir()):
                shutil.copy(path, folder / f"{tag(f'{start}_{student.source}')}_{path.name}")
        found += ask(f"{start}_{kind}", student.source, model)
    return found


def _ask(
    cell: Cell, of: Transmission, seed: Seed, arm: str, trait: str, model: Model, system=None
) -> list[dict]:
    """What a model answers: the traits of a measure are asked for together."""
    found = []
    for panel in dict.fromkeys(t.measure for t in of.traits):
        some = [t for t in of.traits if t.measure == panel]
        key = seed.key(f"answers/{arm}/{trait}/{panel.name}")
        asked = Asked(model, system, of.n_samples, key, of.carrier.resembles)
        found += panel.rows(asked, some)
    return [{"arm": arm, **cell.columns, "trait": trait} | row for row in found]
