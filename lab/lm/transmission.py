"""One member of a language experiment: teachers, what they write, students of it, and answers.

Rows have arm, the cell's columns, trait (of the student's source), copy, asked (the trait asked
for), and the numbers of the trait's measure. Arms: "reference" and "teacher"; "student_*" start
from the teacher's base and "cross_*" from another. "*_trait" learn from a teacher, "*_regular" from
the untouched base: the controls, copies that differ in prompts, samples and order of data, so that
a student's luck shows. "student_neutral" learns from a teacher of something that is no trait;
"student_<name>" is a trait's student, changed.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, NamedTuple

from lab import hosts
from lab.carriers.carrier import Carrier
from lab.lm import hf, make
from lab.lm.drawing import TOO_LONG, Sampling, limit
from lab.lm.effects import NONE
from lab.lm.finetune import Tuning
from lab.lm.model import Model
from lab.lm.objectives import Loss
from lab.lm.reference import Reference, obtain
from lab.lm.stages import Base, Checkpoint, Dataset, File, Seed, Step, Student, Teacher, trait_name
from lab.runs.cells import Cell, Job
from lab.runs.progress import console
from lab.traits.trait import Asked, Trait

Change = Callable[[Student], Student]  # its rows after a further step, another loss
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
    n_controls: int = 1  # students of the untouched base, for each start
    neutral: Trait | None = None  # of one more teacher, whose student is a control
    # Arms that differ from the first start's students in one thing.
    more: Mapping[str, Change] = field(default_factory=dict)
    given: Mapping[str, File] = field(default_factory=dict)  # a trait's rows, if not its teacher's
    sampling: Sampling = Sampling()  # of what teachers and the base write
    system: str | None = None  # that students learn under; None: the tokenizer's default
    # System prompts under which all are asked, by name; None: the tokenizer's default.
    contexts: Mapping[str, str | None] = field(default_factory=lambda: {"default": None})

    def teacher_of(self, trait: Trait | None, seed: Seed) -> Teacher | Base:
        """The teacher with a trait; with none, the base itself."""
        base = next(iter(self.starts.values()))
        return base if trait is None else Teacher(base, trait, self.teaching, seed)

    def data_of(self, trait: Trait | None, seed: Seed) -> Dataset:
        """What the teacher with a trait writes."""
        teacher = self.teacher_of(trait, seed)
        given = self.given.get(trait.name) if trait is not None else None
        most, how = limit(self.student.longest, self.system), self.sampling
        return Dataset(teacher, self.carrier, self.n_rows, seed, self.steps, given, how, most)

    def student_of(self, base: Base, trait: Trait | None, seed: Seed, along=False) -> Student:
        """The student of a teacher; of its distributions on the base's rows, if soft."""
        soft = self.channel == "soft"
        data = self.data_of(None if soft else trait, seed)
        imitated = self.teacher_of(trait, seed) if soft else None
        return Student(base, data, self.student, seed, imitated, self.loss, along, self.system)


def after(step: Step) -> Change:
    """The student of the same rows after one more step."""
    return lambda s: replace(s, data=replace(s.data, steps=(*s.data.steps, step)))


class Pupil(NamedTuple):
    """A student and the arm that it stands for."""

    arm: str
    student: Student


def pupils(of: Transmission, root: Seed, along: bool = False) -> dict[str, list[Pupil]]:
    """All students of a member, by their start."""
    first, found = next(iter(of.starts)), {}
    for start, base in of.starts.items():
        student = partial(of.student_of, base)
        arms = [(f"{start}_trait", student(trait, root, along)) for trait in of.traits]
        arms += [
            (f"{start}_regular", student(None, root._replace(copy=copy), along))
            for copy in range(of.n_controls)
        ]
        if start == first and of.neutral is not None:
            arms.append((f"{start}_neutral", student(of.neutral, root, along)))
        if start == first:
            arms += [
                (f"{start}_{name}", change(student(trait, root, along)))
                for name, change in of.more.items()
                for trait in of.traits
            ]
        found[start] = [Pupil(*arm) for arm in arms]
    return found


def measure(job: Job, cell: Cell, of: Transmission, seed: int, snapshots: bool = False):
    """The rows of one member.

    Datasets are copied to the run folder, `data/`; with `snapshots` the parameters of teachers and
    students, and of students along their training, to `snapshots/`.
    """
    root = Seed(seed, cell.member)
    obtain([base for base in of.starts.values() if isinstance(base, Reference)])  # at once
    for start, base in of.starts.items():
        if isinstance(base, Checkpoint):
            _tell(job, start, make.model(base))
    ask = partial(answers, cell, of)
    found = ask("reference", NONE, root, make.model(of.teacher_of(None, root)))
    wanted = pupils(of, root, snapshots)
    datasets = list(dict.fromkeys(p.student.data for some in wanted.values() for p in some))
    share = 1 / (len(datasets) + sum(map(len, wanted.values())))  # both take about as long
    for data in datasets:
        _keep_rows(job, cell, data)
        job.advance(f"member {cell.member}: {of.carrier.name} of {trait_name(data.teacher)}", share)
    for trait in (*of.traits, *([] if of.neutral is None else [of.neutral])):
        teacher = of.teacher_of(trait, root)
        model = make.model(teacher)
        if snapshots:
            whole = hosts.gather(model.params)
            job.run.snapshot(_tag(cell, f"teacher_{trait.name}"), whole)
        under = {next(iter(of.contexts)): getattr(teacher, "system", None)}  # always its own
        found += ask("teacher", trait.name, root, model, under)
    for some in wanted.values():
        for part in _groups(job, some):
            found += _train(job, cell, part, share, ask)
    return found


def _tell(job: Job, start: str, base: Model) -> None:
    """How sure a checkpoint is of the next token: said and kept, and nothing is refused for it."""
    found, uniform = round(hf.entropy(base.arch, base.params), 4), math.log(base.arch.n_tokens)
    if job.run.tell(f"entropy of the base of {start}, nats", found):
        near = ": it has hardly learned anything, or is damaged" if found > 0.95 * uniform else ""
        said = f"the base of {start} has an entropy of {found:.2f} nats, uniform {uniform:.2f}"
        console.print(said + near, markup=False)


def trained(
    job: Job,
    of: Transmission,
    root: Seed,
    start: str,
    arms: Sequence[str] = (),
    along: bool = False,
    share: float = 1.0,
) -> list[tuple[Pupil, Model]]:
    """The students of a start, or of some arms of it, with their models.

    They are made in the groups of `measure`, their parameters kept along their training if asked;
    all of them are a `share` of the cell.
    """
    some = [pupil for pupil in pupils(of, root, along)[start] if not arms or pupil.arm in arms]
    found = []
    for part in _groups(job, some):
        models = make.students([pupil.student for pupil in part])
        found += zip(part, models, strict=True)
        told = ", ".join(dict.fromkeys(pupil.arm for pupil in part))
        job.advance(told, share * len(part) / len(some))
    return found


def _groups(job: Job, some: list[Pupil]) -> list[list[Pupil]]:
    """Those that can be trained in one program, as many as go at once."""
    at_once, found = job.options.group or STUDENTS_AT_ONCE, []
    for _, alike in itertools.groupby(some, lambda pupil: make.recipe(pupil.student)):
        part = list(alike)
        found += [part[first : first + at_once] for first in range(0, len(part), at_once)]
    return found


def _tag(cell: Cell, name: str) -> str:
    return "_".join(["member", *map(str, cell.columns.values()), name])


def _keep_rows(job: Job, cell: Cell, data: Dataset) -> None:
    """A copy of a dataset, and of what became of every attempt, in the run folder."""
    source = make.data_folder(data)
    name = data.named(source.name)
    for part, ending in (("rows.jsonl", ".jsonl"), ("attempts.json", ".json")):
        job.run.keep_file(source / part, f"data/{_tag(cell, name)}{ending}")
    if data.limit and (n_long := make.attempts(source).get(TOO_LONG)):
        long = f"{n_long} rows of more than {data.limit.tokens} tokens are left out"
        console.print(f"member {cell.member}, data of {name}: {long}", markup=False)


def _train(job: Job, cell: Cell, some: Sequence[Pupil], share: float, ask) -> list[dict]:
    told, arms = 0.0, ", ".join(dict.fromkeys(pupil.arm for pupil in some))

    def report(text: str, part: float) -> None:
        nonlocal told
        told += part
        job.advance(f"{arms}: {text}", part * share * len(some))

    models = make.students([pupil.student for pupil in some], report)
    job.advance(arms, (1 - told) * share * len(some))
    found = []
    for (arm, student), model in zip(some, models, strict=True):
        if student.along:
            name = f"{arm.replace('_trait', '').replace('_regular', '')}_{student.source}"
            name += f"_{student.seed.copy}" if student.seed.copy else ""
            for path in sorted((make.place(student) / "along").iterdir()):
                job.run.keep_file(path, f"snapshots/{_tag(cell, name)}_{path.name}")
        found += ask(arm, student.source, student.seed, model)
    return found


def answers(
    cell: Cell,
    of: Transmission,
    arm: str,
    trait: str,
    seed: Seed,
    model: Model,
    under: Mapping[str, str | None] | None = None,
    earlier: tuple[tuple[str, str], ...] = (),
) -> list[dict]:
    """What a model answers after earlier turns: traits of a measure are asked for together."""
    found = []
    for context, system in (under or of.contexts).items():
        place = {"arm": arm, **cell.columns, "trait": trait, "copy": seed.copy}
        if len(of.contexts) > 1:
            place["context"] = context
        for panel in dict.fromkeys(t.measure for t in of.traits):
            some = [t for t in of.traits if t.measure == panel]
            key = seed.key(f"answers/{arm}/{trait}/{panel.name}")
            asked = Asked(model, system, of.n_samples, key, of.carrier.resembles, earlier)
            found += [place | {"measure": panel.name} | row for row in panel.rows(asked, some)]
    return found
