"""Language students along training, beside a teacher: its own students, and those that are nulls.

"student_own" learned the compared teacher's rows; "student_other" another trait's, from the same
reference; "student_untouched" the reference's own, several copies; "cross_own" the compared
teacher's rows, from the next member's reference. A row's `trait` is the compared teacher's.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from lab.drift import decoders
from lab.drift.decoders import UNITS, measure
from lab.lm import make
from lab.lm.effects import NONE
from lab.lm.model import Model
from lab.lm.stages import Seed, Student, place
from lab.lm.transmission import Transmission, trained
from lab.runs import checkpoint
from lab.runs.cells import Cell, Job
from lab.traits.measures import Words

STARTS = {"student": ("student_trait", "student_regular"), "cross": ("cross_trait",)}


def points(steps: list[int]) -> list[int]:
    """Of the steps that were kept, the first, then those at least twice as far, and the last."""
    found = [steps[0]]
    for step in steps:
        if step >= 2 * found[-1]:
            found.append(step)
    return found if found[-1] == steps[-1] else [*found, steps[-1]]


def along(student: Student, model: Model) -> Iterator[tuple[int, PyTree]]:
    """Steps of a student that was kept along its training, with its parameters there."""
    files = {int(path.stem): path for path in (place(student) / "along").iterdir()}
    for step in points(sorted(files)):
        params = model.params
        if step != max(files):
            params = jax.tree.map(jnp.asarray, checkpoint.load_parameters(files[step]))
        yield step, params


def rows(job: Job, cell: Cell, of: Transmission) -> list[dict]:
    """A row for each arm, student, compared teacher, point and part: the columns of `UNITS`."""
    root = Seed(job.config.seed, cell.member)
    bases = {start: make.model(base) for start, base in of.starts.items()}
    reference = bases["student"]
    panels = [trait.measure for trait in of.traits if isinstance(trait.measure, Words)]
    asked = decoders.questions(reference, sum(dict.fromkeys(p.questions for p in panels), ()))
    arch, stream = reference.arch, decoders.streams
    teachers = [make.model(of.teacher_of(trait, root)) for trait in of.traits]
    taught = jnp.stack([stream(arch, t.params, asked.tokens, asked.start) for t in teachers])
    base = stream(arch, reference.params, asked.tokens, asked.start)
    words = [reference.tokenizer.encode(trait.name)[0] for trait in of.traits]
    every = [
        decoders.marks(arch, reference.params, t.params, asked, root.key(f"fisher/{trait.name}"))
        for t, trait in zip(teachers, of.traits, strict=True)
    ]
    found: list[dict] = []

    def look(arm: str, source: str, copy: int, step: int, i: int, begin, params) -> None:
        fixed = {"trait": of.traits[i].name, "source": source, "copy": copy, "step": step}
        seen = measure(arch, every[i], base, taught, i, begin, params, asked, words[i])
        for part, columns in seen.items():
            six = {name: float(f"{columns[name]:.6g}") for name in UNITS}
            found.append({"arm": arm, **cell.columns, **fixed, "part": part} | six)

    for i, trait in enumerate(of.traits):
        look("reference", NONE, 0, 0, i, reference.params, reference.params)
        look("teacher", trait.name, 0, 0, i, reference.params, teachers[i].params)
    for start, arms in STARTS.items():
        for (_, student), model in trained(job, of, root, start, arms, True, 1 / len(STARTS)):
            for step, params in along(student, model):
                for i, trait in enumerate(of.traits):
                    kind = {NONE: "untouched", trait.name: "own"}.get(student.source, "other")
                    if start == "student" or kind == "own":
                        arm, copy = f"{start}_{kind}", student.seed.copy
                        look(arm, student.source, copy, step, i, bases[start].params, params)
    return found
