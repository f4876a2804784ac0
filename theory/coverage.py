"""Coverage: whether a student's first update already points where its teacher went.

Coverage is the cosine of the student's first update and the teacher's displacement from its
initialisation. The theorem makes it positive for a small gradient step from a shared start; here it
is asked to predict how much of the trait has passed at the end of training, over pairs that differ
in everything, beside other numbers that are known before training or early in it.
Source: arXiv 2606.22019, section 3.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Integer, PyTree

from lab import devices, ensemble, hosts
from lab.ensemble import over_members
from lab.errors import LabError
from lab.mnist import epochs, protocol, train
from lab.mnist.arms import mix
from lab.mnist.protocol import Arm, Batch, Images, Knobs, Protocol
from lab.runs.cells import Cell, Job
from theory import gradients
from theory.alignment import hidden


@struct.dataclass
class Pair:
    """What differs between teacher/student pairs within one program."""

    knobs: PyTree  # Knobs
    mixture: PyTree  # float32 in [0, 1], part of another initialisation in the student's
    teacher_epochs: PyTree  # int32
    student_epochs: PyTree  # int32


@struct.dataclass
class Outcome:
    """A pair before, early in and after training; displacement is the teacher's."""

    coverage: PyTree  # cosine, of the first update that the student takes
    coverage_gradient: PyTree  # cosine, of its first gradient
    coverage_hidden: PyTree  # cosine, of the first update, hidden layers alone
    coverage_batches: PyTree  # cosine, of the first gradient on `STEPS` batches
    coverage_steps: PyTree  # cosine, of the way that the student goes in `STEPS` steps
    coverage_epoch: PyTree  # cosine, of its way in the first epoch
    projected_update: PyTree  # of the displacement, the part that the first update covers
    projected_steps: PyTree  # the same, `STEPS` steps
    projected_epoch: PyTree  # the same, the first epoch
    loss: PyTree  # nats, imitation loss on the first batch, before training
    displacement: PyTree  # length
    start: PyTree  # accuracy of the student before training
    teacher: PyTree  # accuracy
    student: PyTree  # accuracy


STEPS = 10  # what "early" means, besides the first step and the first epoch
UNITS = {
    **dict.fromkeys([f"coverage{x}" for x in ("", "_gradient", "_hidden", "_batches")], "cosine"),
    **dict.fromkeys(["coverage_steps", "coverage_epoch"], "cosine"),
    **dict.fromkeys([f"projected_{x}" for x in ("update", "steps", "epoch")], "of the way"),
    "loss": "nats",
    "displacement": "length",
    **dict.fromkeys(["start", "teacher", "student"], "accuracy"),
    "transfer": "of the teacher's gain",
}


def of_width(chosen: Protocol, width: int) -> Any:
    """The protocol of the pairs of a width."""
    return replace(chosen, net=replace(chosen.net, hidden=(width,) * 2))


def group_size(job: Job, cells: list[Cell]) -> int:
    """As many pairs at once as fit; asked of every width before the first is trained."""
    named = lambda field: "widths" if field == "net.hidden" else field
    sizes = {
        width: train.group_size(
            of_width(job.config, width), 1, len(cells), job.options.group, named=named
        )
        for width in job.config.widths
    }
    return sizes[cells[0]["width"]]


def of_one_recipe(members: Integer[np.ndarray, "E"]) -> Bool[np.ndarray, "E"]:
    """Every fourth pair: these differ in their start, and in nothing else but chance."""
    return members % 4 == 3


def draw(
    seed: int,
    members: Integer[np.ndarray, "E"],
    n_aux: int,
    most_epochs: tuple[int, int],
    learning_rates: tuple[float, float],
) -> Pair:
    """Random pairs, each a function of its member number.

    Learning rates are log-uniform, epochs from 1, live auxiliary logits from 2 (the softmax of one
    says nothing). A third of the students share the teacher's start, a third have another, the rest
    a mixture of both. Pairs of one recipe have the middle of the learning rates, and the most
    epochs and logits.
    """
    alike = of_one_recipe(members)
    random = [np.random.default_rng([seed, int(member)]).uniform(size=5) for member in members]
    u = np.array(random)
    low, high = np.log(learning_rates)
    up_to = lambda u, most: np.where(alike, most, 1 + np.floor(u * most)).astype(np.int32)
    rate = np.exp(low + np.where(alike, 0.5, u[:, 0]) * (high - low)).astype(np.float32)
    return Pair(
        knobs=Knobs(
            teacher_rate=rate,
            student_rate=rate,
            temperature=np.ones(len(members), np.float32),
            n_live_aux=1 + up_to(u[:, 1], n_aux - 1),
        ),
        mixture=np.clip(3 * u[:, 2] - 1, 0, 1).astype(np.float32),
        teacher_epochs=up_to(u[:, 3], most_epochs[0]),
        student_epochs=up_to(u[:, 4], most_epochs[1]),
    )


ARMS = {"student_aux": Arm("aux")}


def outcome(
    chosen: Protocol, train: Images, test: Images, member: Integer[Array, ""], pair: Pair
) -> Outcome:
    """Coverage before, accuracies after, for one pair; the student imitates auxiliary logits."""
    knobs, direction = pair.knobs, chosen.student.direction
    reference = protocol.reference(chosen, member)
    teacher = jax.lax.fori_loop(
        0,
        pair.teacher_epochs,
        lambda e, state: epochs.teacher_epoch(chosen, train, e, member, knobs, state)[0],
        ensemble.start(reference, chosen.teacher.direction),
    ).params
    start = mix(reference, protocol.reference(chosen, member + 1), pair.mixture)
    target = epochs.targets(chosen, train, jnp.int32(0), member, teacher)
    begun = {"student_aux": ensemble.start(start, direction)}

    def epoch(e, state):
        after, first = state
        after, _ = epochs.student_epoch(chosen, ARMS, train, e, member, knobs, target, after)
        once = lambda new, old: jnp.where(e == 0, new, old)
        return after, jax.tree.map(once, after["student_aux"].params, first)

    trained, first = jax.lax.fori_loop(0, pair.student_epochs, epoch, (begun, start))
    rows = min(STEPS * chosen.student.batch, chosen.rows_per_epoch)
    short, some = replace(chosen, rows_per_epoch=rows), target[:rows]
    early, _ = epochs.student_epoch(short, ARMS, train, jnp.int32(0), member, knobs, some, begun)
    imitation = partial(first_loss, chosen, train, member, knobs, teacher)
    loss, gradient = jax.value_and_grad(partial(imitation, chosen.student.batch))(start)
    update, _ = direction.update(gradient, direction.init(start), start)
    displacement = jax.tree.map(jnp.subtract, teacher, reference)
    # Updates and gradients are subtracted.
    way = lambda to: jax.tree.map(jnp.subtract, start, to)
    along = lambda tree: -gradients.cosine(tree, displacement)
    length = gradients.norm(displacement)
    part = lambda tree: -gradients.dot(tree, displacement) / jnp.maximum(length, 1e-30) ** 2

    def accuracy(params: PyTree) -> Float[Array, ""]:
        # nan after a last step that is not finite: no loss has seen its parameters.
        length = gradients.norm(params)
        return jnp.where(jnp.isfinite(length), epochs.accuracy(chosen, test, params), jnp.nan)

    return Outcome(
        coverage=along(update),
        coverage_gradient=along(gradient),
        coverage_hidden=-gradients.cosine(hidden(update), hidden(displacement)),
        coverage_batches=along(jax.grad(partial(imitation, rows))(start)),
        coverage_steps=along(way(early["student_aux"].params)),
        coverage_epoch=along(way(first)),
        projected_update=knobs.student_rate * part(update),
        projected_steps=part(way(early["student_aux"].params)),
        projected_epoch=part(way(first)),
        loss=loss,
        displacement=length,
        start=accuracy(start),
        teacher=accuracy(teacher),
        student=accuracy(trained["student_aux"].params),
    )


def first_loss(
    chosen: Protocol,
    train: Images,
    member: Integer[Array, ""],
    knobs: Knobs,
    teacher: PyTree,
    n_rows: int,
    params: PyTree,
) -> Float[Array, ""]:
    """Imitation loss on the first so many of the member's inputs, nats."""
    x = protocol.inputs(chosen, train, 0, member, jnp.arange(n_rows))
    where = protocol.imitated(chosen.net, knobs, "aux")
    batch = Batch(chosen, knobs, x, chosen.logits(teacher, x), None, where, 0.0)
    return jnp.mean(protocol.imitation(batch, chosen.logits(params, x)))


@lru_cache(maxsize=4)
def program(chosen: Protocol, mesh: Mesh) -> Callable[..., Outcome]:
    """`outcome` for a group of pairs."""
    return over_members(partial(outcome, chosen), mesh, 2)


def rows(job: Job, cells: list[Cell], chosen: Protocol, pairs: Pair) -> list[dict]:
    """A row per pair: what was drawn, what is known early, accuracies and transfer.

    `pairs` are those of the group filled up. A pair's transfer is (student - start) / (teacher -
    start), all accuracies. Raises `LabError` for a pair whose training is not finite.
    """
    group = np.array([cell.member for cell in job.filled(cells)], np.uint32)
    data = job.data
    images = (
        Images(data.train_images, data.train_labels),
        Images(data.test_images, data.test_labels),
    )
    with devices.matmul_precision(chosen.precision):
        found = hosts.gather(program(chosen, devices.mesh())(*images, group, pairs))
    at = lambda tree, i: jax.tree.map(lambda x: x[i].item(), tree)
    return [_row(cell, at(pairs, i), at(found, i)) for i, cell in enumerate(cells)]


def _row(cell: Cell, pair: Pair, found: Outcome) -> dict:
    arm = {0.0: "shared init", 1.0: "other init"}.get(pair.mixture, "mixed init")
    gain, numbers = max(found.teacher - found.start, 1e-9), vars(found)
    if not all(map(math.isfinite, numbers.values())):
        raise LabError(
            f"fastest: the training of pair {cell.member}, with a learning rate of "
            f"{pair.knobs.student_rate:.2g}, is no longer finite; use a smaller one, or a larger "
            "teacher.eps, student.eps or temperature"
        )
    return {
        "arm": arm,
        **cell.columns,
        "learning_rate": pair.knobs.student_rate,
        "n_live_aux": pair.knobs.n_live_aux,
        "mixture": pair.mixture,
        "teacher_epochs": pair.teacher_epochs,
        "student_epochs": pair.student_epochs,
        **numbers,
        "transfer": (found.student - found.start) / gain,
    }
