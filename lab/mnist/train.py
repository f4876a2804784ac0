"""Train teachers and students of many members, in groups, resumably.

A group is what is trained at once: one member per device on CPU, where a single member's weights
and moments stay in the cache; as many as fit on an accelerator. Groups change speed and memory; a
result they change by no more than the rounding of sums.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Integer, PyTree

from lab import devices, hosts
from lab.ensemble import over_members
from lab.errors import LabError
from lab.mnist import epochs, protocol
from lab.mnist.images import Dataset
from lab.mnist.protocol import Arm, Images, Knobs, Protocol
from lab.mnist.sizes import group_size as group_size
from lab.runs.cells import Cell, Job


class Programs:
    """The compiled programs of a protocol and its arms; every one works on a whole group."""

    def __init__(self, chosen: Protocol, arms: Mapping[str, Arm], mesh: Mesh):
        over = lambda fn, *args, **how: over_members(partial(fn, chosen, *args), mesh, **how)
        self.teacher_epochs = chosen.teacher.epochs
        self.reference = over(protocol.reference, n_shared=0)
        self.start_teacher = over(epochs.start_teacher, n_shared=0)
        self.teacher_epoch = over(epochs.teacher_epoch, n_shared=2, donate=(4,))
        self.start_students = over(epochs.start_students, arms, n_shared=1)
        self.targets = over(epochs.targets, n_shared=2)
        self.student_epoch = over(epochs.student_epoch, arms, n_shared=2, donate=(5,))
        self.accuracy = {
            net: over_members(partial(epochs.accuracy, chosen, net=net), mesh, 1)
            for net in {chosen.net, *(arm.net or chosen.net for arm in arms.values())}
        }
        self._finite = over_members(_finite, mesh, 0)

    def taught(self, train: Images, members: Integer[np.ndarray, "E"], values: Knobs) -> PyTree:
        """Teachers after all their epochs. Raises `LabError` if a training is not finite."""
        state = self.start_teacher(members)
        for e in range(self.teacher_epochs):
            state, losses = self.teacher_epoch(train, np.int32(e), members, values, state)
            self.require_finite({"teacher": (state.params, losses)}, members)
        return state.params

    def side_by_side(
        self, train: Images, epoch: int, members: Integer[np.ndarray, "E"], teachers: list[PyTree]
    ) -> Float[Array, "E N O"]:
        """The outputs of several teachers, for students of `arms.imitating` one of them."""
        said = [self.targets(train, np.int32(epoch), members, teacher) for teacher in teachers]
        return jnp.concatenate(said, axis=-1)

    def require_finite(self, trees: dict, members: Integer[np.ndarray, "E"]) -> None:
        """Raise `LabError` for an arm whose parameters or losses are not finite."""
        for arm, finite in hosts.gather(self._finite(trees)).items():
            if not finite.all():
                stage = "teacher" if arm == "teacher" else "student"
                raise LabError(
                    f"{stage}.learning_rate: the training of {arm} is no longer finite for member "
                    f"{members[np.argmin(finite)]}; use a smaller one, or a larger "
                    f"{stage}.eps or temperature"
                )


def _finite(trees: dict) -> dict:
    finite = lambda tree: jnp.stack([jnp.isfinite(x).all() for x in jax.tree.leaves(tree)]).all()
    return {arm: finite(tree) for arm, tree in trees.items()}


def knobs(chosen: Protocol, n: int) -> Knobs:
    """What members may differ in, here the same for n of them."""
    same = lambda value, dtype: np.full(n, value, dtype)
    return Knobs(
        teacher_rate=same(chosen.teacher.learning_rate, np.float32),
        student_rate=same(chosen.student.learning_rate, np.float32),
        temperature=same(chosen.temperature, np.float32),
        n_live_aux=same(chosen.net.n_aux, np.int32),
    )


def train(
    job: Job,
    cells: list[Cell],
    arms: Mapping[str, Arm],
    chosen: Protocol | None = None,
    vary: Callable[[list[Cell], Knobs], Knobs] = lambda cells, knobs: knobs,
    curves: bool = False,
    snapshots: bool = False,
) -> list[dict]:
    """Accuracy of every arm and cell: rows with arm, the cell's columns, step and accuracy.

    `chosen` is the cells' protocol, the configuration itself if it is left out; `vary` changes the
    numbers that may differ by cell. `step` counts gradient steps of the arm. With `curves` accuracy
    is measured after every epoch, with `snapshots` the parameters are kept at each measurement.
    Raises `LabError` if a loss or a parameter is not finite.
    """
    chosen = chosen or job.config
    padded = job.filled(cells)  # the copies are never reported
    ends = zip(cells[0].columns.items(), cells[-1].columns.values(), strict=True)
    where = "_".join(f"{axis}-{first}-{last}" for (axis, first), last in ends)
    where = where.replace("member-", "members-", 1)
    keep = lambda arm, step, tree: job.run.snapshot(f"{arm}_step-{step}_{where}", tree)
    trainer = Trainer(chosen, arms, job.data, curves, keep if snapshots else None)
    values = vary(padded, knobs(chosen, len(padded)))
    numbers = np.array([cell.member for cell in padded])
    rows = list(job.rows)
    restore = job.restore if job.step else None
    with devices.matmul_precision(chosen.precision):
        for done, tree, new in trainer.train(numbers, len(cells), values, job.step, restore):
            rows += [{"arm": r["arm"], **cells[i].columns, **r} for i, r in new]
            if done < trainer.n_epochs:
                job.save(done, rows, tree)
            said = f"members {cells[0].member}-{cells[-1].member}"
            job.advance(said, len(cells) / trainer.n_epochs)
    order = ["reference", "teacher", *arms]
    return sorted(rows, key=lambda r: (order.index(r["arm"]), r["step"]))


class Trainer:
    """Trains one group after another with the same programs."""

    def __init__(
        self,
        chosen: Protocol,
        arms: Mapping[str, Arm],
        data: Dataset,
        curves: bool = False,
        snapshots: Callable[[str, int, Any], None] | None = None,  # (arm, step, parameters)
    ):
        self.chosen, self.arms, self.curves, self.snapshots = chosen, arms, curves, snapshots
        mesh = devices.mesh()
        self.programs = _programs(chosen, arms, mesh)
        self.n_epochs = chosen.teacher.epochs + chosen.student.epochs
        self.whole = NamedSharding(mesh, PartitionSpec())
        self.split = NamedSharding(mesh, PartitionSpec(devices.MEMBER))
        self.train_images = self._put(Images(data.train_images, data.train_labels), self.whole)
        self.test_images = self._put(Images(data.test_images, data.test_labels), self.whole)

    def train(
        self,
        members: Integer[np.ndarray, "E"],
        n: int,
        values: Knobs,
        first: int = 0,
        restore: Callable | None = None,
    ) -> Iterator[tuple[int, Any, list[tuple[int, dict]]]]:
        """Yield (epochs done, tree to resume from, new rows) after each epoch from `first` on.

        Rows are (place in the group, row), of the first `n` members alone.
        """
        chosen, programs = self.chosen, self.programs
        teacher_epochs, n_steps = chosen.teacher.epochs, chosen.n_steps
        number = self._put(members.astype(np.uint32), self.split)
        values = self._put(values, self.split)
        measure = partial(self._measure, members[:n])
        start = lambda: programs.start_students(self.train_images, number, values)
        # The teacher's state while it is trained; its parameters and the students' states after.
        tree: Any = programs.start_teacher(number)
        targets = None  # not in the tree: made again sooner than read back
        if first > teacher_epochs:
            tree = {"teacher": tree.params, "students": start()}
        if restore:
            tree = restore(tree)
        for epoch in range(first, self.n_epochs):
            rows = []
            if epoch == 0:
                base = programs.reference(number)
                untrained = {"reference": base, "teacher": base}
                rows += measure(untrained if teacher_epochs == 0 else {"reference": base}, 0)
            if epoch < teacher_epochs:
                after, final = epoch + 1, epoch + 1 == teacher_epochs
                tree, losses = programs.teacher_epoch(
                    self.train_images, np.int32(epoch), number, values, tree
                )
                trained, losses = {"teacher": tree.params}, {"teacher": losses}
                step = after * n_steps(chosen.teacher)
            else:
                after, final = epoch + 1 - teacher_epochs, epoch + 1 == self.n_epochs
                if after == 1:
                    tree = {"teacher": tree.params, "students": start()}
                at = np.int32(after - 1)
                if targets is None or chosen.fresh_inputs:
                    targets = programs.targets(self.train_images, at, number, tree["teacher"])
                tree["students"], losses = programs.student_epoch(
                    self.train_images, at, number, values, targets, tree["students"]
                )
                trained = {arm: tree["students"][arm].params for arm in self.arms}
                step = after * n_steps(chosen.student)
            programs.require_finite({a: (trained[a], losses[a]) for a in trained}, members)
            if final or self.curves:
                rows += measure(trained, step)
            yield epoch + 1, tree, rows

    def _put(self, tree, sharding):
        return jax.tree.map(
            lambda x: jax.make_array_from_callback(x.shape, sharding, lambda i: x[i]), tree
        )

    def _measure(self, members, trained: dict, step: int) -> list[tuple[int, dict]]:
        rows = []
        for arm, params in trained.items():
            net = self.arms[arm].net if arm in self.arms else None
            program = self.programs.accuracy[net or self.chosen.net]
            found = hosts.gather(program(self.test_images, params))
            rows += [
                (i, {"arm": arm, "step": step, "accuracy": float(found[i])})
                for i in range(len(members))
            ]
            if self.snapshots:
                whole = hosts.gather(params)
                self.snapshots(arm, step, jax.tree.map(lambda x: x[: len(members)], whole))
        return rows


_LAST: dict = {}


def _programs(chosen: Protocol, arms: Mapping[str, Arm], mesh: Mesh) -> Programs:
    """The programs of the last protocol and arms again: a run asks for the same ones by group."""
    key = (chosen, tuple(arms.items()), mesh)
    if key not in _LAST:
        _LAST.clear()
        _LAST[key] = Programs(chosen, arms, mesh)
    return _LAST[key]
