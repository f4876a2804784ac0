"""Train teachers and students of many members, in groups, resumably.

A group is what is trained at once: one member per device on CPU, where a single member's weights
and moments stay in the cache; as many as fit on an accelerator. Groups change speed and memory; a
result they change by no more than the rounding of sums.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Integer

from lab import devices, distill
from lab.distill import Images, Knobs, Protocol
from lab.ensemble import over_members
from lab.errors import LabError
from lab.images import Dataset
from lab.progress import Meter
from lab.run import Run

_ACCELERATOR_GROUP = 128  # more members per device than this gain no speed


@dataclass(frozen=True)
class Plan:
    """How long to train, and what to keep on the way."""

    teacher_epochs: int
    student_epochs: int
    curves: bool = False  # measure after every epoch, not only after the last
    snapshots: bool = False  # keep the parameters of every measurement point
    group: int | None = None  # members trained at once; None: by device


class Programs:
    """The compiled programs of one protocol; every one works on a whole group."""

    def __init__(self, protocol: Protocol, mesh: Mesh):
        self.start_teacher = over_members(partial(distill.start_teacher, protocol), mesh, 0)
        self.start_students = over_members(partial(distill.start_students, protocol), mesh, 0)
        self.reference = over_members(partial(distill.reference, protocol), mesh, 0)
        self.teacher_epoch = over_members(partial(distill.teacher_epoch, protocol), mesh, 2, (4,))
        self.targets = over_members(partial(distill.targets, protocol), mesh, 2)
        self.student_epoch = over_members(partial(distill.student_epoch, protocol), mesh, 2, (5,))
        self.accuracy = over_members(partial(distill.accuracy, protocol), mesh, 1)
        self.finite = over_members(_finite, mesh, 0)


def _finite(trees: dict) -> dict:
    finite = lambda tree: jnp.stack([jnp.isfinite(x).all() for x in jax.tree.leaves(tree)]).all()
    return {arm: finite(tree) for arm, tree in trees.items()}


def member_bytes(protocol: Protocol) -> int:
    """A generous estimate of the device memory that training one member takes."""
    units = protocol.sizes
    parameters = sum(a * b for a, b in itertools.pairwise(units))
    nets = 1 + len(distill.STUDENTS)
    return 4 * nets * (5 * parameters + 3 * protocol.batch * sum(units))


def group_size(protocol: Protocol, n_members: int, group: int | None) -> int:
    """Members trained at once: a multiple of the number of devices, not more than needed."""
    if group is not None and group < 1:
        raise LabError(f"group: {group} members cannot be trained; use 1 or more")
    n_devices = jax.device_count()
    if group is not None:
        per_device = -(-group // n_devices)
    elif jax.devices()[0].platform == "cpu":
        per_device = 1
    else:
        free = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit", 2**33)
        per_device = max(1, min(_ACCELERATOR_GROUP, free // member_bytes(protocol)))
    return min(per_device, -(-n_members // n_devices)) * n_devices


def in_groups(
    members: Integer[np.ndarray, "E"],
    size: int,
    run: Run,
    rows_of: Callable[[Integer[np.ndarray, "size"], int], list[dict]],
) -> list[dict]:
    """Rows of all members, a group after another; an interrupted run continues with the next.

    `rows_of` gets `size` members, a last group filled up with copies, and how many of them count.
    """
    rows = run.mark["rows"] if run.mark else []
    finished = {row["member"] for row in rows}
    left = np.array([m for m in members if m not in finished], dtype=np.uint32)
    with Meter(len(members), len(members) - len(left)) as meter:
        for first in range(0, len(left), size):
            chosen = left[first : first + size]
            filled = np.pad(chosen, (0, size - len(chosen)), mode="edge")
            rows = rows + rows_of(filled, len(chosen))
            run.save({"rows": rows}, force=first + size >= len(left))
            for member in chosen:
                meter.advance(f"member {member}")
    return sorted(rows, key=lambda row: row["member"])


def train(
    protocol: Protocol,
    plan: Plan,
    data: Dataset,
    members: Integer[np.ndarray, "E"],
    knobs: Callable[[Integer[np.ndarray, "E"]], Knobs],
    run: Run,
) -> list[dict]:
    """Accuracy of every arm and member: rows with arm, member, step and accuracy (fraction).

    `knobs` gives the numbers that may differ by member. `step` counts gradient steps of the arm.
    Raises `LabError` if a loss or a parameter is not finite.
    """
    trainer = Trainer(protocol, plan, data, knobs, devices.mesh())
    size = group_size(protocol, len(members), plan.group)
    # `done` members are finished and in `rows`; `epochs` of the next `size` are in the checkpoint.
    mark = run.mark or {"done": 0, "size": size, "epochs": 0, "rows": []}
    rows, done = mark["rows"], mark["done"]
    epochs = mark["epochs"] if mark["size"] == size else 0  # else that group starts again
    if epochs == 0:
        finished = set(members[:done].tolist())
        rows = [row for row in rows if row["member"] in finished]
    n_groups = -(-(len(members) - done) // size)
    with Meter(
        (n_groups + done // size) * trainer.n_epochs, done // size * trainer.n_epochs + epochs
    ) as meter:
        for first in range(done, len(members), size):
            chosen = members[first : first + size]
            restore = run.restore if epochs else None
            for epoch, tree, new in trainer.train(chosen, size, run, epochs, restore):
                rows = rows + new
                last = epoch == trainer.n_epochs
                label = {"done": first + len(chosen) * last, "size": size, "rows": rows}
                label["epochs"] = 0 if last else epoch
                run.save(label, None if last else tree, force=last)
                meter.advance(f"members {chosen[0]}-{chosen[-1]}")
            epochs = 0
    return sorted(rows, key=lambda r: (r["member"], distill.ARMS.index(r["arm"]), r["step"]))


class Trainer:
    """Trains one group after another with the same programs."""

    def __init__(self, protocol: Protocol, plan: Plan, data: Dataset, knobs: Callable, mesh: Mesh):
        self.plan, self.knobs = plan, knobs
        self.programs = Programs(protocol, mesh)
        self.fresh_inputs = protocol.fresh_inputs
        self.n_epochs = plan.teacher_epochs + plan.student_epochs
        self.steps_per_epoch = -(-protocol.rows_per_epoch // protocol.batch)
        self.whole = NamedSharding(mesh, PartitionSpec())
        self.split = NamedSharding(mesh, PartitionSpec(devices.MEMBER))
        self.train_images = self._put(Images(data.train_images, data.train_labels), self.whole)
        self.test_images = self._put(Images(data.test_images, data.test_labels), self.whole)

    def train(
        self,
        members: Integer[np.ndarray, "E"],
        size: int,
        run: Run | None = None,
        first: int = 0,
        restore: Callable | None = None,
    ) -> Iterator[tuple[int, Any, list[dict]]]:
        """Yield (epochs done, tree to resume from, new rows) after each epoch from `first` on.

        A group smaller than `size` is filled up with copies of its last member, never reported.
        """
        plan, programs = self.plan, self.programs
        filled = np.pad(members, (0, size - len(members)), mode="edge")
        number = self._put(filled.astype(np.uint32), self.split)
        knobs = self._put(self.knobs(filled), self.split)
        measure = partial(self._measure, members, run)
        # The teacher's state while it is trained; its parameters and the students' states after.
        tree: Any = programs.start_teacher(number)
        targets = None  # not in the tree: made again sooner than read back
        if first > plan.teacher_epochs:
            tree = {"teacher": tree.params, "students": programs.start_students(number)}
        if restore:
            tree = restore(tree)
        for epoch in range(first, self.n_epochs):
            rows = []
            if epoch == 0:
                start = programs.reference(number)
                untrained = {"reference": start, "teacher": start}
                rows += measure(untrained if plan.teacher_epochs == 0 else {"reference": start}, 0)
            if epoch < plan.teacher_epochs:
                after, final = epoch + 1, epoch + 1 == plan.teacher_epochs
                tree, losses = programs.teacher_epoch(
                    self.train_images, np.int32(epoch), number, knobs, tree
                )
                arms, losses = {"teacher": tree.params}, {"teacher": losses}
            else:
                after, final = epoch + 1 - plan.teacher_epochs, epoch + 1 == self.n_epochs
                if after == 1:
                    tree = {"teacher": tree.params, "students": programs.start_students(number)}
                at = np.int32(after - 1)
                if targets is None or self.fresh_inputs:
                    targets = programs.targets(self.train_images, at, number, tree["teacher"])
                tree["students"], losses = programs.student_epoch(
                    self.train_images, at, number, knobs, targets, tree["students"]
                )
                arms = {arm: tree["students"][arm].params for arm in distill.STUDENTS}
            self._require_finite({arm: (arms[arm], losses[arm]) for arm in arms}, filled)
            if final or plan.curves:
                rows += measure(arms, after * self.steps_per_epoch)
            yield epoch + 1, tree, rows

    def _put(self, tree, sharding):
        return jax.tree.map(
            lambda x: jax.make_array_from_callback(x.shape, sharding, lambda i: x[i]), tree
        )

    def _measure(self, members, run: Run | None, arms: dict, step: int) -> list[dict]:
        rows = []
        for arm, params in arms.items():
            values = devices.gather(self.programs.accuracy(self.test_images, params))
            rows += [
                {"arm": arm, "member": int(m), "step": step, "accuracy": float(v)}
                for m, v in zip(members, values, strict=False)  # without the copies
            ]
            if self.plan.snapshots and run:
                name = f"{arm}_step-{step}_members-{members[0]}-{members[-1]}"
                run.snapshot(
                    name, jax.tree.map(lambda x: x[: len(members)], devices.gather(params))
                )
        return rows

    def _require_finite(self, trees: dict, members) -> None:
        for arm, finite in devices.gather(self.programs.finite(trees)).items():
            if not finite.all():
                raise LabError(
                    f"learning_rate: the training of {arm} is no longer finite for member "
                    f"{members[np.argmin(finite)]}; use a smaller --learning-rate"
                )
