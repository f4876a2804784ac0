"""Optimizer state of one student put into another: is a trait in the moments, or in parameters?

Two students of a member start from the teacher's reference: "trait" imitates the teacher, "control"
the next member's untrained reference. Then both go on as the control, with Adam's moments their own
or the other's. Nothing that a student says is changed by that at the cut, only where it goes.
"""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from lab import devices, hosts
from lab.drift import displacement as drift
from lab.ensemble import State, over_members
from lab.mnist import arms, train
from lab.mnist.protocol import Arm, Images, Protocol
from lab.runs.cells import Cell, Job


class Parts(NamedTuple):
    """Whose parameters, whose first and whose second moments a student goes on with."""

    params: str
    first: str
    second: str


SOURCES = {
    "trait": Arm("aux", loss=arms.imitating(0)),
    "control": Arm("aux", loss=arms.imitating(1)),
}
MADE = {
    "control": Parts("control", "control", "control"),
    "first moments": Parts("control", "trait", "control"),
    "second moments": Parts("control", "control", "trait"),
    "both moments": Parts("control", "trait", "trait"),
    "trait": Parts("trait", "trait", "trait"),
    "trait without moments": Parts("trait", "control", "control"),
}
AFTER = dict.fromkeys(MADE, SOURCES["control"])
UNITS = {"accuracy": "fraction", "projection": "of the teacher's way"}


def transplanted(states: dict[str, State]) -> dict[str, State]:
    """The students of `MADE`, of those of `SOURCES`; their optimizer is Adam."""

    def put(parts: Parts) -> State:
        own, first, second = (states[name] for name in parts)
        moments = own.opt_state._replace(mu=first.opt_state.mu, nu=second.opt_state.nu)
        made = State(own.params, moments, own.step)
        return jax.tree.map(jnp.copy, made)  # each is trained, and its arrays are given up

    return {name: put(parts) for name, parts in MADE.items()}


def projections(begun: PyTree, taught: PyTree, trees: dict) -> dict[str, Float[Array, ""]]:
    """The part of the teacher's way that each of some models has gone."""
    way = drift.displacement(begun, taught)
    of = lambda params: drift.projection(drift.displacement(begun, params), way)
    return {name: of(params) for name, params in trees.items()}


def rows(job: Job, cells: list[Cell], before: int) -> list[dict]:
    """A row for each arm and epoch after the cut, which is after so many epochs: step, `UNITS`.

    The protocol's epochs of students are those after the cut. Raises `LabError` if a training is
    not finite.
    """
    chosen, data = job.config, job.data
    programs, after, project = _programs(chosen)
    group = np.array([cell.member for cell in job.filled(cells)], np.uint32)
    values = train.knobs(chosen, len(group))
    images = Images(data.train_images, data.train_labels)
    test = Images(data.test_images, data.test_labels)
    n_epochs, n_steps = chosen.student.epochs, chosen.n_steps(chosen.student)
    found: list[tuple[int, dict]] = []
    accuracy = programs.accuracy[chosen.net]

    def look(step: int, trees: dict) -> None:
        programs.require_finite(trees, group)
        gone = hosts.gather(project(begun, teacher, trees))
        right = {name: hosts.gather(accuracy(test, params)) for name, params in trees.items()}
        found.append((step, {n: {"accuracy": right[n], "projection": gone[n]} for n in trees}))

    with devices.matmul_precision(chosen.precision):
        begun, teacher = programs.reference(group), programs.taught(images, group, values)
        untrained = programs.reference(group + np.uint32(1))
        states = programs.start_students(images, group, values)
        target = None
        for e in range(before + n_epochs):
            if e == before:
                states = transplanted(states)
                look(0, {name: state.params for name, state in states.items()})
                look(0, {"reference": begun, "teacher": teacher})
            if target is None or chosen.fresh_inputs:
                target = programs.side_by_side(images, e, group, [teacher, untrained])
            epoch = (programs if e < before else after).student_epoch
            states, _ = epoch(images, np.int32(e), group, values, target, states)
            if e >= before:
                at = (e + 1 - before) * n_steps
                look(at, {name: state.params for name, state in states.items()})
            job.advance(f"members {group[0]}-{group[-1]}", len(cells) / (before + n_epochs))
    return [
        {"arm": arm, **cell.columns, "step": step}
        | {name: float(f"{by_arm[arm][name][i]:.6g}") for name in UNITS}
        for i, cell in enumerate(cells)
        for arm in ("reference", "teacher", *MADE)
        for step, by_arm in found
        if arm in by_arm
    ]


@lru_cache(maxsize=1)
def _programs(chosen: Protocol):
    mesh = devices.mesh()
    made = [train.Programs(chosen, some, mesh) for some in (SOURCES, AFTER)]
    return *made, over_members(projections, mesh, 0)
