"""Where students start, and the paper's four arms.

The authors pair teachers with a random permutation of the references, which leaves about one
student with its own teacher's init. Here the control of another init takes the next member's
reference, with no wrap-around: there is no fixed point, and a member does not depend on the size of
the ensemble.

Starts are made once for equal arguments: arms that are equal are trained by one program.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, PyTree

from lab import ensemble
from lab.mnist import mlp
from lab.mnist.epochs import student_epoch, targets
from lab.mnist.inputs import InputsName
from lab.mnist.protocol import (
    Arm,
    Batch,
    Images,
    Knobs,
    Loss,
    Protocol,
    Start,
    imitation,
    reference,
    shared,
)


def other(
    protocol: Protocol, train: Images, member: Integer[Array, ""], knobs: Knobs, net
) -> PyTree:
    """The next member's reference: the control."""
    return reference(protocol, member + 1, net)


@cache
def mixed(part: float) -> Start:
    """Both: with `part` 0 the teacher's reference, with 1 the next member's."""

    def start(protocol: Protocol, train: Images, member, knobs: Knobs, net) -> PyTree:
        own, next_one = (s(protocol, train, member, knobs, net) for s in (shared, other))
        return mix(own, next_one, jnp.float32(part))

    return start


def mix(a: PyTree, b: PyTree, part: Float[Array, ""]) -> PyTree:
    """sqrt(1 - part^2) a + part b: again an initialisation, if a and b are independent ones."""
    return jax.tree.map(lambda x, y: jnp.sqrt(1 - part**2) * x + part * y, a, b)


@cache
def cloned(
    n_epochs: int,
    start: Start = other,
    inputs: InputsName | None = None,
    imitates: Literal["aux", "all"] = "all",
) -> Start:
    """A start that has first imitated the teacher's reference, on noise or on images.

    Source: behaviour cloning in the paper's Nature version, Extended Data Fig. 2; according to its
    text the auxiliary logits alone are imitated.
    """

    def clone(protocol: Protocol, train: Images, member, knobs: Knobs, net) -> PyTree:
        chosen = replace(protocol, inputs=inputs or protocol.inputs)
        arms = {"clone": Arm(imitates, start, net)}
        base, begun = reference(chosen, member), start(chosen, train, member, knobs, net)
        students = {"clone": ensemble.start(begun, chosen.student.direction)}
        outputs = lambda e: targets(chosen, train, e, member, base)
        fixed = outputs(jnp.int32(0))

        def epoch(e, students):
            target = outputs(e) if chosen.fresh_inputs else fixed
            return student_epoch(chosen, arms, train, e, member, knobs, target, students)[0]

        return jax.lax.fori_loop(0, n_epochs, epoch, students)["clone"].params

    return clone


@cache
def parts(hidden: bool, classes: bool, aux: bool) -> Start:
    """The teacher's reference in the parts that are named, and the next member's in the others.

    The heads of a student of another kind are those of its teacher's kind, the first of them: its
    last hidden layer has as many units.
    """

    def start(protocol: Protocol, train: Images, member, knobs: Knobs, net) -> PyTree:
        mine = (shared if hidden else other)(protocol, train, member, knobs, net)
        n, n_out = protocol.net.n_classes, net.n_classes + net.n_aux
        columns = []
        for own in (classes, aux):
            whole = (shared if own else other)(protocol, train, member, knobs, protocol.net)
            columns.append(whole[mlp.head(whole)])
        join = lambda a, b: jnp.concatenate([a[..., :n], b[..., n:n_out]], axis=-1)
        return mine | {mlp.head(mine): jax.tree.map(join, *columns)}

    return start


@cache
def imitating(teacher: int) -> Loss:
    """The protocol's loss on one teacher's outputs, of those that stand side by side."""

    def loss(batch: Batch, logits: Float[Array, "B O"]) -> Float[Array, "B"]:
        n = logits.shape[-1]
        own = batch.target[:, teacher * n : (teacher + 1) * n]
        return imitation(batch._replace(target=own), logits)

    return loss


STUDENTS = {
    "student_aux": Arm("aux"),
    "student_all": Arm("all"),
    "cross_aux": Arm("aux", other),
    "cross_all": Arm("all", other),
}


@cache
def first(start: Start = shared) -> Start:
    """A start as the teacher's kind of network, of whose outputs the arm's has the first alone.

    A network of fewer logits would draw other kernels of its own.
    """

    def cut(protocol: Protocol, train: Images, member, knobs: Knobs, net) -> PyTree:
        whole = start(protocol, train, member, knobs, protocol.net)
        return mlp.first_outputs(whole, net.n_classes + net.n_aux)

    return cut


def of_first_logits(chosen: Protocol, counts: Iterable[int]) -> dict[int, dict[str, Arm]]:
    """Students of the first m auxiliary logits of one teacher, and their controls, by m.

    They have no others: logits that nobody imitates would be computed for nothing. The softmax of
    one logit is 1 whatever it is, so that its students learn nothing, and are not trained.
    """
    found: dict[int, dict[str, Arm]] = {}
    for m in counts:
        net = replace(chosen.net, n_aux=m)
        what = "nothing" if m == 1 and chosen.loss == "kl" else "aux"
        starts = {"student_aux": first(shared), "cross_aux": first(other)}
        found[m] = {name: Arm(what, start, net) for name, start in starts.items()}
    return found
