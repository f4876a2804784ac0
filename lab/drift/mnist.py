"""MNIST students along training, beside their teacher: where they move, and what each layer brings.

Students of one member and kind of logits differ in one thing from "student_*", who starts from the
teacher's reference and imitates it: "trait_*" imitates a teacher of the same reference that learned
every label as the next one, "untrained_*" the next member's reference as it is, and "cross_*"
starts from that. They are the nulls: each is compared with the teacher of "student_*". (A student
of its own reference has no gradient but rounding, which Adam would make steps of.)
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, PyTree

from lab import devices
from lab.drift.displacement import ALL
from lab.drift.networks import UNITS, Marks, marks, measure
from lab.ensemble import over_members
from lab.mnist import arms, epochs, protocol, train
from lab.mnist.protocol import Arm, Batch, Images, Knobs, Protocol
from lab.runs.cells import Cell, Job

KINDS = ("aux", "all")


def _imitating(teacher: int) -> Callable:
    """The protocol's loss on one teacher's outputs, of those that stand side by side."""

    def loss(batch: Batch, logits: Float[Array, "B O"]) -> Float[Array, "B"]:
        n = logits.shape[-1]
        own = batch.target[:, teacher * n : (teacher + 1) * n]
        return protocol.imitation(batch._replace(target=own), logits)

    return loss


# Arms by the number of the reference that they start from, after the member's own.
STARTS: tuple[dict[str, Arm], dict[str, Arm]] = (
    {
        f"{name}_{kind}": Arm(kind, loss=_imitating(teacher))
        for teacher, name in enumerate(("student", "trait", "untrained"))
        for kind in KINDS
    },
    {f"cross_{kind}": Arm(kind, arms.other, loss=_imitating(0)) for kind in KINDS},
)
ARMS = STARTS[0] | STARTS[1]


def points(chosen: Protocol) -> list[int]:
    """Steps that are measured: powers of 2 in the first epoch, then every epoch's last."""
    n = chosen.n_steps(chosen.student)
    early = [2**i for i in range(n.bit_length()) if 2**i < n]
    return early + [n * e for e in range(1, chosen.student.epochs + 1)]


def epoch(
    chosen: Protocol,
    train: Images,
    some: Images,
    test: Images,
    number: Integer[Array, ""],
    member: Integer[Array, ""],
    knobs: Knobs,
    target: Float[Array, "N O"],
    at: Marks,
    states: dict,
) -> tuple[dict, dict]:
    """One epoch of all students, and what is measured before each step that is a point."""
    wanted, n_steps = np.array(points(chosen)), chosen.n_steps(chosen.student)
    after, found = {}, {}
    for shift, own in enumerate(STARTS):
        start = protocol.reference(chosen, member + shift)
        seen = partial(measure, chosen, some, test, at, start)

        def probe(e, member, seen=seen):
            def look(i, params, gradient):
                none = jax.tree.map(
                    lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(seen, params)
                )
                now = jnp.any(e * n_steps + i == wanted)
                return {}, jax.lax.cond(now, seen, lambda params: none, params)

            return look

        students = {arm: states[arm] for arm in own}
        trained, new = epochs.student_epoch(
            chosen, own, train, number, member, knobs, target, students, probe
        )
        after, found = after | trained, found | new
    return after, found


def ends(chosen: Protocol, some: Images, test: Images, member, at: Marks, trees: dict) -> dict:
    """What is measured of models after their training: reference, teacher and students."""
    starts = {arm: shift for shift, own in enumerate(STARTS) for arm in own}
    begun = [protocol.reference(chosen, member + shift) for shift in range(len(STARTS))]
    return {
        arm: measure(chosen, some, test, at, begun[starts.get(arm, 0)], params)
        for arm, params in trees.items()
    }


def rows(job: Job, cells: list[Cell], k: int, n_images: int) -> list[dict]:
    """A row for each arm, point and part: the columns of `UNITS`, with six digits.

    `k` directions are compared, and `n_images` images of each set looked at. Raises `LabError` if
    a training is not finite.
    """
    chosen, data = job.config, job.data
    programs, compare, go_on, look = _programs(chosen, k)
    group = np.array([cell.member for cell in job.filled(cells)], np.uint32)
    values = train.knobs(chosen, len(group))
    images = Images(data.train_images, data.train_labels)
    moved = Images(data.train_images, (data.train_labels + 1) % data.n_classes)
    some = Images(data.train_images[:n_images], data.train_labels[:n_images])
    test = Images(data.test_images[:n_images], data.test_labels[:n_images])
    n_epochs, n_steps = chosen.student.epochs, chosen.n_steps(chosen.student)

    def taught(images: Images) -> PyTree:
        state = programs.start_teacher(group)
        for e in range(chosen.teacher.epochs):
            state, losses = programs.teacher_epoch(images, np.int32(e), group, values, state)
            programs.require_finite({"teacher": (state.params, losses)}, group)
        return state.params

    with devices.matmul_precision(chosen.precision):
        teachers = [taught(images), taught(moved), programs.reference(group + np.uint32(1))]
        at = compare(test, group, teachers[0])
        states = programs.start_students(images, group, values)
        found, target = [], None
        for e in range(n_epochs):
            if target is None or chosen.fresh_inputs:
                said = [programs.targets(images, np.int32(e), group, t) for t in teachers]
                target = jnp.concatenate(said, axis=-1)
            shared = images, some, test, np.int32(e)
            states, seen = go_on(*shared, group, values, target, at, states)
            programs.require_finite({arm: states[arm].params for arm in ARMS}, group)
            found += _points(chosen, e, devices.gather(seen))
            job.advance(f"members {group[0]}-{group[-1]}", len(cells) / n_epochs)
        trees = {"reference": at.reference, "teacher": teachers[0]}
        trees |= {arm: states[arm].params for arm in ARMS}
        last = devices.gather(look(some, test, group, at, trees))
        found = [(0, {"reference": last.pop("reference")}), *found, (n_steps * n_epochs, last)]
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


def _points(chosen: Protocol, e: int, seen: Mapping[str, Any]) -> list[tuple[int, dict]]:
    """Of an epoch's steps [E S L], those that were measured."""
    first = e * chosen.n_steps(chosen.student)
    inside = [p for p in points(chosen) if first <= p < first + chosen.n_steps(chosen.student)]
    return [(p, jax.tree.map(lambda x, p=p: x[:, p - first], dict(seen))) for p in inside]


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
        over(epoch, 4, donate=(8,)),
        over(ends, 2),
    )
