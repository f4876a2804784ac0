"""The teacher/student protocol of the paper's MNIST experiment, for any part of it that varies.

A reference network is trained on labels, class logits only: the teacher. Students imitate the
teacher's outputs on unrelated inputs, on the auxiliary logits alone or on all of them, starting
from the teacher's own reference (`student_*`) or from the next member's (`cross_*`, the control).
Source: arXiv 2507.14805, section 5.

The authors pair teachers with a random permutation of the references, which leaves about one
student with its own teacher's init. Member i here takes reference i + 1, with no wrap-around:
there is no fixed point, and a member does not depend on the size of the ensemble. Losses here are
means over a member's batch; the authors' student loss is a sum over it, which Adam cannot tell
apart (but for its epsilon) and SGD can: multiply an SGD learning rate of theirs by the batch size.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Bool, Float, Integer, PyTree

from lab import ensemble, losses, mlp, rng
from lab.ensemble import State
from lab.inputs import LAWS, pixels

# Which logits a student imitates, and which reference it starts from (0: the teacher's own).
STUDENTS = {
    "student_aux": ("aux", 0),
    "student_all": ("all", 0),
    "cross_aux": ("aux", 1),
    "cross_all": ("all", 1),
}
ARMS = ("reference", "teacher", *STUDENTS)


@dataclass(frozen=True)
class Protocol:
    """What one program trains; changing a field compiles again, unlike changing `Knobs`."""

    seed: int
    n_aux: int
    n_classes: int
    widths: tuple[int, ...]
    activation: str
    optimizer: str
    b1: float
    b2: float
    eps: float
    batch: int
    rows_per_epoch: int
    inputs: str
    fresh_inputs: bool
    loss: str
    dtype: str = "float32"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of every layer, the pixels first."""
        return (784, *self.widths, self.n_classes + self.n_aux)

    @property
    def direction(self) -> optax.GradientTransformation:
        """The optimizer, before its learning rate."""
        return ensemble.OPTIMIZERS[self.optimizer](self.b1, self.b2, self.eps)

    def logits(self, params: PyTree, x: Float[Array, "B D"]) -> Float[Array, "B O"]:
        """Class and auxiliary logits."""
        return mlp.apply(params, x, self.activation, self.dtype)


@struct.dataclass
class Knobs:
    """Numbers that may differ by member within one program."""

    learning_rate: PyTree  # float32 [E]
    temperature: PyTree  # float32 [E]
    n_live_aux: PyTree  # int32 [E], auxiliary logits that are imitated, of the n_aux there are


@struct.dataclass
class Images:
    """Labelled images on the device."""

    pixels: PyTree  # uint8 [N, 784]
    labels: PyTree  # int32 [N]


def reference(protocol: Protocol, member: Integer[Array, ""]) -> mlp.Params:
    """A member's shared initialisation."""
    return mlp.init(rng.member(protocol.seed, member, "reference"), protocol.sizes)


def start_teacher(protocol: Protocol, member: Integer[Array, ""]) -> State:
    """The teacher before training: the reference."""
    return ensemble.start(reference(protocol, member), protocol.direction)


def start_students(protocol: Protocol, member: Integer[Array, ""]) -> dict[str, State]:
    """The four students before training."""
    return {
        arm: ensemble.start(reference(protocol, member + shift), protocol.direction)
        for arm, (_, shift) in STUDENTS.items()
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
        protocol.batch,
    )

    def step(teacher: State, batch) -> tuple[State, Float[Array, ""]]:
        rows, counts = batch
        x, y = pixels(train.pixels[rows]), train.labels[rows]

        def loss(params):
            logits = protocol.logits(params, x)[:, : protocol.n_classes]
            return ensemble.mean_over(losses.cross_entropy(logits, y), counts)

        return ensemble.gradient_step(teacher, loss, protocol.direction, knobs.learning_rate)

    return jax.lax.scan(step, teacher, (rows, counts))


def targets(
    protocol: Protocol,
    train: Images,
    epoch: Integer[Array, ""],
    member: Integer[Array, ""],
    teacher: mlp.Params,
) -> Float[Array, "N O"]:
    """The teacher's outputs on every row of an epoch: 13 numbers a row where an input has 784.

    Inputs that are not fresh are the same in every epoch, and so are these.
    """
    n_steps = -(-protocol.rows_per_epoch // protocol.batch)
    rows = jnp.arange(n_steps * protocol.batch).reshape(n_steps, protocol.batch)

    def outputs(rows: Integer[Array, "B"]) -> Float[Array, "B O"]:
        return protocol.logits(teacher, inputs(protocol, train, epoch, member, rows))

    found = jax.lax.map(outputs, rows)
    return found.reshape(-1, found.shape[-1])[: protocol.rows_per_epoch]


def inputs(
    protocol: Protocol,
    train: Images,
    epoch: Integer[Array, ""] | int,
    member: Integer[Array, ""],
    rows: Integer[Array, "B"],
) -> Float[Array, "B 784"]:
    """What students see at the given rows of an epoch."""
    if protocol.fresh_inputs:
        rows = rows + epoch * protocol.rows_per_epoch
    return LAWS[protocol.inputs](rng.member(protocol.seed, member, "inputs"), train.pixels, rows)


def student_epoch(
    protocol: Protocol,
    train: Images,
    epoch: Integer[Array, ""],
    member: Integer[Array, ""],
    knobs: Knobs,
    target: Float[Array, "N O"],
    students: dict[str, State],
) -> tuple[dict[str, State], dict[str, Float[Array, "S"]]]:
    """One epoch of all or some students of one teacher on its `targets`; the loss of each step.

    They are trained together so that each batch of inputs is made once.
    """
    n_rows = protocol.rows_per_epoch
    order = rng.member(protocol.seed, member, "student/order")
    rows, counts = ensemble.epoch_rows(order, epoch, n_rows, n_rows, protocol.batch)

    def step(students, batch):
        rows, counts = batch
        x = inputs(protocol, train, epoch, member, rows)
        after = {}
        for arm in students:

            def loss(params, which=STUDENTS[arm][0]):
                where = imitated(protocol, knobs, which)
                logits = protocol.logits(params, x)
                values = imitation(protocol, knobs, target[rows], logits, where)
                return ensemble.mean_over(values, counts)

            after[arm] = ensemble.gradient_step(
                students[arm], loss, protocol.direction, knobs.learning_rate
            )
        return {arm: s for arm, (s, _) in after.items()}, {arm: v for arm, (_, v) in after.items()}

    return jax.lax.scan(step, students, (rows, counts))


def imitated(protocol: Protocol, knobs: Knobs, which: str) -> Bool[Array, "O"]:
    """The logits that a student of the kind `which` ("aux" or "all") imitates."""
    logit = jnp.arange(protocol.n_classes + protocol.n_aux)
    live = logit < protocol.n_classes + knobs.n_live_aux
    return live & (logit >= protocol.n_classes) if which == "aux" else live


def imitation(
    protocol: Protocol,
    knobs: Knobs,
    target: Float[Array, "B O"],
    logits: Float[Array, "B O"],
    where: Bool[Array, "O"],
) -> Float[Array, "B"]:
    """The student's loss per example on the logits selected by `where`."""
    if protocol.loss == "mse":
        return losses.mean_squared_error(target, logits, where)
    return losses.kl_divergence(target, logits, where, knobs.temperature)


def accuracy(protocol: Protocol, test: Images, params: mlp.Params) -> Float[Array, ""]:
    """Fraction of images whose largest class logit is the label's."""
    logits = protocol.logits(params, pixels(test.pixels))[:, : protocol.n_classes]
    return jnp.mean(jnp.argmax(logits, axis=-1) == test.labels)
