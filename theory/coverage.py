"""Coverage: whether a student's first update already points where its teacher went.

Coverage is the cosine of the student's first update and the teacher's displacement from its
initialisation. The theorem makes it positive for a small gradient step from a shared start; here it
is asked to predict how much of the trait has passed at the end of training, over pairs that differ
in everything. Source: arXiv 2606.22019, section 3.
"""

from collections.abc import Callable
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.sharding import Mesh
from jaxtyping import Array, Integer, PyTree

from lab import devices, ensemble, stats
from lab.ensemble import over_members
from lab.errors import LabError
from lab.mnist import epochs, protocol
from lab.mnist.arms import mix
from lab.mnist.protocol import Arm, Batch, Images, Knobs, Protocol
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim, claim
from lab.runs.results import Table
from theory import gradients


@struct.dataclass
class Pair:
    """What differs between teacher/student pairs within one program."""

    knobs: PyTree  # Knobs
    mixture: PyTree  # float32 in [0, 1], part of another initialisation in the student's
    teacher_epochs: PyTree  # int32
    student_epochs: PyTree  # int32


@struct.dataclass
class Outcome:
    """A pair before and after training."""

    coverage: PyTree  # cosine, of the first update that the student takes
    coverage_gradient: PyTree  # cosine, of its first gradient
    start: PyTree  # accuracy of the student before training
    teacher: PyTree  # accuracy
    student: PyTree  # accuracy


TRANSFERRED = 0.1  # accuracy; a student that gained more counts as having learned
UNITS = {
    "coverage": "cosine",
    "coverage_gradient": "cosine",
    "start": "accuracy",
    "teacher": "accuracy",
    "student": "accuracy",
    "transfer": "of the teacher's gain",
}


def check(
    widths: tuple[int, ...],
    n_aux: int,
    most_epochs: tuple[int, int],
    learning_rates: tuple[float, float],
) -> None:
    """Raise `LabError` for ranges from which no pair can be drawn, by the name of the field."""
    slowest, fastest = learning_rates
    if not 0 < slowest <= fastest < float("inf"):
        raise LabError(f"slowest: {slowest} is not in (0, fastest]; use a smaller number")
    if not widths or min(widths) < 1:
        raise LabError(f"widths: {widths} has a net without units; give 1 or more each")
    for name, number, least in (("teacher.epochs", most_epochs[0], 1), ("net.n_aux", n_aux, 2)):
        if number < least:
            raise LabError(f"{name}: {number} is too few; use {least} or more")


def draw(
    seed: int,
    members: Integer[np.ndarray, "E"],
    n_aux: int,
    most_epochs: tuple[int, int],
    learning_rates: tuple[float, float],
) -> Pair:
    """Random pairs, each a function of its member number.

    Learning rates are log-uniform, epochs from 1, live auxiliary logits from 2 (the softmax of one
    says nothing). A quarter of the students share the teacher's start, a quarter have another, the
    rest a mixture of both.
    """
    random = [np.random.default_rng([seed, int(member)]).uniform(size=5) for member in members]
    u = np.array(random)
    low, high = np.log(learning_rates)
    up_to = lambda u, most: (1 + np.floor(u * most)).astype(np.int32)
    rate = np.exp(low + u[:, 0] * (high - low)).astype(np.float32)
    return Pair(
        knobs=Knobs(
            teacher_rate=rate,
            student_rate=rate,
            temperature=np.ones(len(members), np.float32),
            n_live_aux=1 + up_to(u[:, 1], n_aux - 1),
        ),
        mixture=np.clip(2 * u[:, 2] - 0.5, 0, 1).astype(np.float32),
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
    students = jax.lax.fori_loop(
        0,
        pair.student_epochs,
        lambda e, s: epochs.student_epoch(chosen, ARMS, train, e, member, knobs, target, s)[0],
        {"student_aux": ensemble.start(start, direction)},
    )
    gradient = first_gradient(chosen, train, member, knobs, teacher, start)
    update, _ = direction.update(gradient, direction.init(start), start)
    displacement = jax.tree.map(jnp.subtract, teacher, reference)
    along = lambda tree: -gradients.cosine(tree, displacement)  # updates are subtracted
    accuracy = lambda params: epochs.accuracy(chosen, test, params)
    return Outcome(
        coverage=along(update),
        coverage_gradient=along(gradient),
        start=accuracy(start),
        teacher=accuracy(teacher),
        student=accuracy(students["student_aux"].params),
    )


def first_gradient(
    chosen: Protocol,
    train: Images,
    member: Integer[Array, ""],
    knobs: Knobs,
    teacher: PyTree,
    start: PyTree,
) -> PyTree:
    """Gradient of the imitation loss on the first batch of the member's inputs."""
    x = protocol.inputs(chosen, train, 0, member, jnp.arange(chosen.student.batch))
    where = protocol.imitated(chosen.net, knobs, "aux")
    batch = Batch(chosen, knobs, x, chosen.logits(teacher, x), None, where, 0.0)
    loss = lambda params: jnp.mean(protocol.imitation(batch, chosen.logits(params, x)))
    return jax.grad(loss)(start)


@lru_cache(maxsize=4)
def program(chosen: Protocol, mesh: Mesh) -> Callable[..., Outcome]:
    """`outcome` for a group of pairs."""
    return over_members(partial(outcome, chosen), mesh, 2)


def rows(job: Job, cells: list[Cell], chosen: Protocol, pairs: Pair) -> list[dict]:
    """A row per pair: what was drawn, both coverages, accuracies and transfer.

    `pairs` are those of the group filled up. A pair's transfer is (student - start) / (teacher -
    start), all accuracies.
    """
    group = np.array([cell.member for cell in job.filled(cells)], np.uint32)
    data = job.data
    images = (
        Images(data.train_images, data.train_labels),
        Images(data.test_images, data.test_labels),
    )
    with devices.matmul_precision(chosen.precision):
        found = devices.gather(program(chosen, devices.mesh())(*images, group, pairs))
    at = lambda tree, i: jax.tree.map(lambda x: x[i].item(), tree)
    return [_row(cell, at(pairs, i), at(found, i)) for i, cell in enumerate(cells)]


def _row(cell: Cell, pair: Pair, found: Outcome) -> dict:
    arm = {0.0: "shared init", 1.0: "other init"}.get(pair.mixture, "mixed init")
    return {
        "arm": arm,
        **cell.columns,
        "learning_rate": pair.knobs.student_rate,
        "n_live_aux": pair.knobs.n_live_aux,
        "mixture": pair.mixture,
        "teacher_epochs": pair.teacher_epochs,
        "student_epochs": pair.student_epochs,
        "coverage": found.coverage,
        "coverage_gradient": found.coverage_gradient,
        "start": found.start,
        "teacher": found.teacher,
        "student": found.student,
        "transfer": (found.student - found.start) / max(found.teacher - found.start, 1e-9),
    }


def claims(table: Table, record: dict) -> list[Claim]:
    """How well either coverage orders pairs, with 95 % bootstrap intervals."""
    gained = table["student"] - table["start"] > TRANSFERRED
    found = []
    for name, kind in (("coverage", "update"), ("coverage_gradient", "gradient")):
        rank = stats.bootstrap(stats.spearman, table[name], table["transfer"])
        area = stats.bootstrap(stats.auroc, table[name], gained)
        # As strong as published, weaker but there, or not there at all.
        said = lambda e, goal, least: (
            "reproduced" if e.high >= goal else "weaker" if e.low > least else "not reproduced"
        )
        for text, e, goal, least in (
            (f"coverage of the first {kind} and transfer, Spearman", rank, 0.95, 0.0),
            (f"coverage of the first {kind}, who learns, AUROC", area, 0.997, 0.5),
        ):
            more = {"published": f"{goal:g}", "verdict": said(e, goal, least)}
            found.append(claim(text, e, **(more if kind == "update" else {})))
    return found
