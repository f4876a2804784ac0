"""MNIST students along training, beside their teacher: where they move, and what each layer brings.

Students of one member and kind of logits differ in one thing from "student_*", who starts from the
teacher's reference and imitates it: "trait_*" imitates a teacher of the same reference that learned
every label as the next one, "untrained_*" the next member's reference as it is, and "cross_*"
starts from that. They are the nulls: each is compared with the teacher of "student_*". (A student
of its own reference has no gradient but rounding, which Adam would make steps of.)
"""

from collections.abc import Callable
from functools import lru_cache, partial

import jax
import numpy as np
from jaxtyping import PyTree

from lab import devices, hosts, tree
from lab.drift.displacement import ALL
from lab.drift.networks import UNITS, Marks, marks, measure
from lab.ensemble import over_members
from lab.mnist import arms, epochs, protocol, train
from lab.mnist.protocol import Arm, Images, Protocol
from lab.runs.cells import Cell, Job

KINDS = ("aux", "all")

# Arms by the number of the reference that they start from, after the member's own.
STARTS: tuple[dict[str, Arm], dict[str, Arm]] = (
    {
        f"{name}_{kind}": Arm(kind, loss=arms.imitating(teacher))
        for teacher, name in enumerate(("student", "trait", "untrained"))
        for kind in KINDS
    },
    {f"cross_{kind}": Arm(kind, arms.other, loss=arms.imitating(0)) for kind in KINDS},
)
ARMS = STARTS[0] | STARTS[1]


def points(chosen: Protocol) -> list[int]:
    """Steps that are measured: powers of 2 in the first epoch, then every epoch's last."""
    n = chosen.n_steps(chosen.student)
    early = [2**i for i in range(n.bit_length()) if 2**i < n]
    return early + [n * e for e in range(1, chosen.student.epochs + 1)]


def step(
    chosen: Protocol, train: Images, number, at, member, knobs, target, states: dict
) -> tuple[dict, dict]:
    """One step, of an epoch's, of all students; and its losses."""
    args = (number, member, knobs, target, states)
    return epochs.student_epoch(chosen, ARMS, train, *args, only=at)


def look(
    chosen: Protocol, some: Images, test: Images, member, at: Marks, trees: dict
) -> dict[str, dict]:
    """What is measured of a member's models, beside what `marks` says."""
    begun = [protocol.reference(chosen, member + shift) for shift in range(len(STARTS))]
    starts = {arm: begun[shift] for shift, own in enumerate(STARTS) for arm in own}
    both = [(starts.get(arm, begun[0]), params) for arm, params in trees.items()]
    found = jax.lax.map(lambda one: measure(chosen, some, test, at, *one), tree.stack(both))
    return {arm: tree.at(found, i) for i, arm in enumerate(trees)}


def rows(job: Job, cells: list[Cell], k: int, n_images: int) -> list[dict]:
    """A row for each arm, point and part: the columns of `UNITS`, with six digits.

    `k` directions are compared, and `n_images` images of each set looked at. Raises `LabError` if
    a training is not finite.
    """
    chosen, data = job.config, job.data
    programs, compare, one_step, measured = _programs(chosen, k)
    group = np.array([cell.member for cell in job.filled(cells)], np.uint32)
    values = train.knobs(chosen, len(group))
    images = Images(data.train_images, data.train_labels)
    moved = Images(data.train_images, (data.train_labels + 1) % data.n_classes)
    some = Images(data.train_images[:n_images], data.train_labels[:n_images])
    test = Images(data.test_images[:n_images], data.test_labels[:n_images])
    n_epochs, n_steps = chosen.student.epochs, chosen.n_steps(chosen.student)
    wanted, found = points(chosen), []

    def seen(trees: dict[str, PyTree]) -> dict:
        return hosts.gather(measured(some, test, group, at, trees))

    def after() -> dict:
        return seen({arm: states[arm].params for arm in ARMS})

    with devices.matmul_precision(chosen.precision):
        teachers = [programs.taught(one, group, values) for one in (images, moved)]
        teachers.append(programs.reference(group + np.uint32(1)))
        at = compare(test, group, teachers[0])
        states = programs.start_students(images, group, values)
        target = None
        for e in range(n_epochs):
            if target is None or chosen.fresh_inputs:
                target = programs.side_by_side(images, e, group, teachers)
            rest = group, values, target
            if e > 0:
                states, _ = programs.student_epoch(images, np.int32(e), *rest, states)
            for i in range(0 if e else n_steps):
                states, _ = one_step(images, np.int32(e), np.int32(i), *rest, states)
                if i + 1 in wanted[:-n_epochs]:
                    found.append((i + 1, after()))
            programs.require_finite({arm: states[arm].params for arm in ARMS}, group)
            found.append(((e + 1) * n_steps, after()))
            job.advance(f"members {group[0]}-{group[-1]}", len(cells) / n_epochs)
        # In the place of two arms, so that one program looks at all.
        one, two, *_ = ARMS
        ends = seen(dict.fromkeys(ARMS, at.reference) | {two: at.teacher})
        found.append((0, {"reference": ends[one], "teacher": ends[two]}))
    parts = [ALL, *at.reference]
    six = lambda x: float(f"{x:.6g}")
    return [
        {"arm": arm, **cell.columns, "step": step, "part": part}
        | {name: six(by_arm[arm][name][i][j]) for name in UNITS}
        for i, cell in enumerate(cells)
        for arm in ("reference", "teacher", *ARMS)
        for step, by_arm in found
        if arm in by_arm
        for j, part in enumerate(parts)
    ]


def group_size(job: Job, cells: list[Cell]) -> int:
    """As many members at once as fit."""
    return train.group_size(job.config, len(ARMS), len(cells), job.options.group)


@lru_cache(maxsize=1)
def _programs(chosen: Protocol, k: int) -> tuple[train.Programs, Callable, Callable, Callable]:
    mesh = devices.mesh()
    over = lambda fn, n_shared, *more, **how: over_members(
        partial(fn, chosen, *more), mesh, n_shared, **how
    )
    return (
        train.Programs(chosen, ARMS, mesh),
        over(marks, 1, k),
        over(step, 3, donate=(6,)),
        over(look, 2),
    )
