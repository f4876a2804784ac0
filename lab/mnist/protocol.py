"""The teacher/student protocol of the paper's MNIST experiment, for any part of it that varies.

A reference network is trained on labels, class logits only: the teacher. Students imitate the
teacher's outputs on unrelated inputs; an `Arm` is what distinguishes one from another.
Source: arXiv 2507.14805, section 5.

Losses here are means over a member's batch; the authors' student loss is a sum over it, which Adam
cannot tell apart (but for its epsilon) and SGD can: multiply an SGD learning rate of theirs by the
batch size.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Bool, Float, Integer, PyTree

from lab import losses, rng
from lab.mnist.inputs import INPUTS, InputsName
from lab.mnist.mlp import MLP
from lab.optim import Optim
from lab.runs import fields
from lab.runs.fields import INT32, SEED, Count, Members, Real

TOO_LONG = f"short enough: epochs times rows_per_epoch may be {INT32:,} at most"
_PAPER = Optim(learning_rate=3e-4, batch=1024, epochs=5)


@dataclass(frozen=True)
class Protocol:
    """What one program trains; changing a field compiles again, unlike changing `Knobs`.

    An experiment's configuration is a subclass. Raises `LabError` for numbers that train nothing.
    """

    seed: Annotated[int, SEED] = 0
    """Root of every random number."""
    net: MLP = field(default_factory=MLP)
    """Of teachers, and of students whose arm names no other."""
    teacher: Optim = _PAPER
    """Training on labels; 0 epochs are the control of an untrained teacher."""
    student: Optim = _PAPER
    """Imitation."""
    rows_per_epoch: Annotated[int, Count()] = 60_000
    """Examples per epoch, on every dataset; smaller data is visited again."""
    inputs: InputsName = "uniform"
    """What students imitate on: noise, or training images with or without shuffled pixels."""
    fresh_inputs: bool = False
    """New noise every epoch instead of one fixed set per member."""
    loss: Literal["kl", "mse"] = "kl"
    """Imitation loss over the selected logits."""
    temperature: Annotated[float, Real()] = 1.0
    """Of both softmaxes in the KL loss."""
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """Of matrix products; weights, moments and losses are float32 always."""

    def __post_init__(self):
        whole = f"1 to rows_per_epoch, {self.rows_per_epoch:,}"
        needs = [(self.student.epochs > 0, "student.epochs", "1 or more")]
        for name, optim in (("teacher", self.teacher), ("student", self.student)):
            needs += [
                (1 <= optim.batch <= self.rows_per_epoch, f"{name}.batch", whole),
                # Steps are counted in int32, and rows of fresh inputs numbered in it.
                (optim.epochs * self.rows_per_epoch <= INT32, f"{name}.epochs", TOO_LONG),
            ]
        fields.require(self, *needs)

    @property
    def dtype(self) -> str:
        """Of the operands of matrix products."""
        return "bfloat16" if self.precision == "bfloat16" else "float32"

    def logits(self, params: PyTree, x: Float[Array, "B D"], net=None) -> Float[Array, "B O"]:
        """Class and auxiliary logits, of the teacher's kind of network if no other is named."""
        return (net or self.net).apply(params, x, self.dtype)

    def n_steps(self, optim: Optim) -> int:
        """Steps of an epoch."""
        return -(-self.rows_per_epoch // optim.batch)


@dataclass(frozen=True)
class Ensemble(Protocol):
    """The protocol for so many members, on the data that is there: what an experiment sets up."""

    members: Annotated[str, Members()] = "4"
    """Independent teachers, a count or a range a:b; ranges of one seed can be merged."""
    dataset: Literal["auto", "mnist", "digits"] = "auto"
    """auto: MNIST if it is on disk, otherwise the embedded 8x8 digits."""

    def at_protocol_of(self, other: "Ensemble") -> bool:
        """Whether two configurations train alike on the same data, but for seed and rounding."""
        names = {f.name for f in dataclasses.fields(Ensemble)} - {"seed", "precision", "members"}
        return all(getattr(self, name) == getattr(other, name) for name in names)


@struct.dataclass
class Knobs:
    """Numbers that may differ by member within one program."""

    teacher_rate: PyTree  # float32 [E], learning rate
    student_rate: PyTree  # float32 [E], learning rate
    temperature: PyTree  # float32 [E]
    n_live_aux: PyTree  # int32 [E], auxiliary logits that are imitated, of the n_aux there are


@struct.dataclass
class Images:
    """Labelled images on the device."""

    pixels: PyTree  # uint8 [N, 784]
    labels: PyTree  # int32 [N]


class Batch(NamedTuple):
    """What an arm's loss may look at, besides its own logits; B examples, O logits."""

    protocol: Protocol
    knobs: Knobs
    x: Any  # float32 [B 784], the inputs
    target: Any  # float32 [B O], the teacher's logits
    reference: Any  # float32 [B O], logits of the teacher's initialisation
    where: Any  # bool [O], the logits that the arm imitates
    time: Any  # float32, epochs of imitation so far


def reference(protocol: Protocol, member: Integer[Array, ""], net=None) -> PyTree:
    """A member's shared initialisation."""
    return (net or protocol.net).init(rng.member(protocol.seed, member, "reference"))


def shared(
    protocol: Protocol, train: Images, member: Integer[Array, ""], knobs: Knobs, net
) -> PyTree:
    """The teacher's own reference, as a start of students."""
    return reference(protocol, member, net)


# (protocol, training images, member, knobs, network) -> parameters before imitation.
Start = Callable[[Protocol, Images, Any, Knobs, Any], PyTree]
# (batch, the student's logits [B O]) -> loss per example [B].
Loss = Callable[[Batch, Any], Any]


@dataclass(frozen=True)
class Arm:
    """A student of every teacher, as a value. Functions are called while a program is traced."""

    imitates: Literal["aux", "all", "nothing"] = "all"  # which logits; with nothing, its start
    start: Start = shared
    net: Any = None  # None: the teacher's kind of network
    loss: Loss | None = None  # None: the protocol's
    optim: Optim | None = None  # None: the protocol's; its learning rate and length are not used
    # Applied to the gradient before the optimizer, and to its direction after it. They are told
    # what a probe finds, as keyword arguments.
    before: optax.GradientTransformation | None = None
    after: optax.GradientTransformation | None = None
    rate: float = 1.0  # times the protocol's learning rate

    def direction(self, default: Optim) -> optax.GradientTransformation:
        """The optimizer, before its learning rate, between the arm's own transforms."""
        optimizer = (self.optim or default).direction
        rate = None if self.rate == 1 else optax.scale(self.rate)
        around = [t for t in (self.before, optimizer, self.after, rate) if t is not None]
        return optax.chain(*around) if len(around) > 1 else optimizer


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
    return INPUTS[protocol.inputs](rng.member(protocol.seed, member, "inputs"), train.pixels, rows)


def imitated(net, knobs: Knobs, which: str) -> Bool[Array, "O"]:
    """The logits that a student of the kind `which` ("aux" or "all") imitates."""
    logit = jnp.arange(net.n_classes + net.n_aux)
    live = logit < net.n_classes + knobs.n_live_aux
    return live & (logit >= net.n_classes) if which == "aux" else live


def imitation(batch: Batch, logits: Float[Array, "B O"]) -> Float[Array, "B"]:
    """The protocol's loss per example, on the logits that the arm imitates."""
    # A student may have fewer auxiliary logits than its teacher: the first of them.
    target = batch.target[:, : logits.shape[-1]]
    if batch.protocol.loss == "mse":
        return losses.mean_squared_error(target, logits, batch.where)
    return losses.kl_divergence(target, logits, batch.where, batch.knobs.temperature)
