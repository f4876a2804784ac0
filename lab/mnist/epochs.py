"""Epochs of one member: its teacher on labels, its students on the teacher's outputs."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, PyTree

from lab import ensemble, losses, rng
from lab.ensemble import State
from lab.mnist.inputs import pixels
from lab.mnist.protocol import (
    Arm,
    Batch,
    Images,
    Knobs,
    Protocol,
    imitated,
    imitation,
    inputs,
    reference,
)

# What an arm's gradient transforms are told besides the gradient, and what is measured of a step.
Probe = Callable[[Integer[Array, ""], PyTree, PyTree], tuple[dict[str, Any], Any]]


def start_teacher(protocol: Protocol, member: Integer[Array, ""]) -> State:
    """The teacher before training: the reference."""
    return ensemble.start(reference(protocol, member), protocol.teacher.direction)


def start_students(
    protocol: Protocol,
    arms: Mapping[str, Arm],
    train: Images,
    member: Integer[Array, ""],
    knobs: Knobs,
) -> dict[str, State]:
    """The students before imitation; a start that several have is made once."""
    begun: dict[tuple, PyTree] = {}
    for arm in arms.values():
        net = arm.net or protocol.net
        if (arm.start, net) not in begun:
            begun[arm.start, net] = arm.start(protocol, train, member, knobs, net)
    return {
        name: ensemble.start(
            begun[arm.start, arm.net or protocol.net], arm.direction(protocol.student)
        )
        for name, arm in arms.items()
    }


def teacher_epoch(
    protocol: Protocol,
    train: Images,
    epoch: Integer[Array, ""],
    member: Integer[Array, ""],
    knobs: Knobs,
    teacher: State,
) -> tuple[State, Float[Array, "S"]]:
    """One epoch of one teacher on labels, and the loss of each step (nats per example)."""
    rows, counts = ensemble.epoch_rows(
        rng.member(protocol.seed, member, "teacher/order"),
        epoch,
        len(train.labels),
        protocol.rows_per_epoch,
        protocol.teacher.batch,
    )

    def step(teacher: State, batch) -> tuple[State, Float[Array, ""]]:
        rows, counts = batch
        x, y = pixels(train.pixels[rows]), train.labels[rows]

        def loss(params):
            logits = protocol.logits(params, x)[:, : protocol.net.n_classes]
            return ensemble.mean_over(losses.cross_entropy(logits, y), counts)

        return ensemble.gradient_step(teacher, loss, protocol.teacher.direction, knobs.teacher_rate)

    return jax.lax.scan(step, teacher, (rows, counts))


def targets(
    protocol: Protocol,
    train: Images,
    epoch: Integer[Array, ""],
    member: Integer[Array, ""],
    teacher: PyTree,
) -> Float[Array, "N O"]:
    """The teacher's outputs on every row of an epoch: 13 numbers a row where an input has 784.

    Inputs that are not fresh are the same in every epoch, and so are these.
    """
    batch, n_steps = protocol.student.batch, protocol.n_steps(protocol.student)
    rows = jnp.arange(n_steps * batch).reshape(n_steps, batch)

    def outputs(rows: Integer[Array, "B"]) -> Float[Array, "B O"]:
        return protocol.logits(teacher, inputs(protocol, train, epoch, member, rows))

    found = jax.lax.map(outputs, rows)
    return found.reshape(-1, found.shape[-1])[: protocol.rows_per_epoch]


def student_epoch(
    protocol: Protocol,
    arms: Mapping[str, Arm],
    train: Images,
    epoch: Integer[Array, ""],
    member: Integer[Array, ""],
    knobs: Knobs,
    target: Float[Array, "N O"],
    students: dict[str, State],
    probe: Callable[[Integer[Array, ""], Integer[Array, ""]], Probe] | None = None,
    only: Integer[Array, ""] | None = None,
) -> tuple[dict[str, State], dict[str, Any]]:
    """One epoch of all or some students of one teacher on its `targets`; the loss of each step.

    They are trained together so that each batch of inputs is made once. A `probe(epoch, member)`
    measures each arm before each step, from (number of the step, parameters, gradient), and tells
    the arm's gradient transforms what they want to know; its measurements then replace the losses.
    Of all steps `only` one is taken, if it is given.
    """
    n_rows, n_batch = protocol.rows_per_epoch, protocol.student.batch
    order = rng.member(protocol.seed, member, "student/order")
    rows, counts = ensemble.epoch_rows(order, epoch, n_rows, n_rows, n_batch)
    n_steps = len(rows)
    base = reference(protocol, member)
    look = probe(epoch, member) if probe else lambda at, params, gradient: ({}, None)

    def step(students, batch):
        at, rows, counts = batch
        x = inputs(protocol, train, epoch, member, rows)
        time, before = epoch + at / n_steps, protocol.logits(base, x)
        seen = Batch(protocol, knobs, x, target[rows], before, None, time)
        after, measured = {}, {}
        for name, state in students.items():
            arm = arms[name]
            if arm.imitates == "nothing":
                after[name], measured[name] = state, jnp.float32(0)
                continue

            def loss(params, arm=arm):
                where = imitated(arm.net or protocol.net, knobs, arm.imitates)
                logits = protocol.logits(params, x, arm.net)
                values = (arm.loss or imitation)(seen._replace(where=where), logits)
                return ensemble.mean_over(values, counts)

            value, gradient = jax.value_and_grad(loss)(state.params)
            told, found = look(at, state.params, gradient)
            after[name] = ensemble.descend(
                state, gradient, arm.direction(protocol.student), knobs.student_rate, **told
            )
            measured[name] = value if found is None else found
        return after, measured

    steps = jnp.arange(n_steps), rows, counts
    if only is not None:
        steps = jax.tree.map(lambda x: x[only][None], steps)
    return jax.lax.scan(step, students, steps)


def accuracy(protocol: Protocol, test: Images, params: PyTree, net=None) -> Float[Array, ""]:
    """Fraction of images whose largest class logit is the label's."""
    logits = protocol.logits(params, pixels(test.pixels), net)[:, : protocol.net.n_classes]
    return jnp.mean(jnp.argmax(logits, axis=-1) == test.labels)
