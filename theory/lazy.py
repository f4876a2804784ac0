"""Many steps of a wide student, predicted from its first derivatives alone.

A network so wide that training hardly moves each weight is linear in its parameters, f(theta_0) +
J (theta - theta_0), and gradient descent on squared error over N inputs is then solved by the
kernel K = J J^T of the imitated outputs, as in `theory.linear`: with r the student's initial error,

    outputs elsewhere move by -K(elsewhere, imitated) K^-1 (1 - (1 - 2 alpha K / N)^k) r.

Widths are compared at weights N(0, 1) that are scaled in the forward pass, so that K has a limit.
In that limit the kernel between class and auxiliary logits is a mean over hidden units of products
of independent head weights: it vanishes like width^-1/2. The prediction becomes exact and what it
predicts goes to zero, for the trait has to cross that kernel twice, teacher to auxiliary logits and
back. Subliminal transfer through shared hidden layers is an effect of finite width.
Source: Jacot, Gabriel and Hongler, arXiv 1806.07572.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key, PyTree

from lab import losses, rng
from theory.failures import Curve, over_members

WIDTHS = (16, 64, 256, 1024)
N_INPUTS, N_FEATURES, N_CLASSES, N_AUX = 16, 10, 4, 3
TEACHER_STEPS, STUDENT_STEPS = 50, 200
ARMS = ("lazy prediction, relative error", "transfer of the trained student")


class Outcome(NamedTuple):
    """What the student's class logits did on the teacher's inputs."""

    teacher: Float[Array, "N C"]  # displacement of the teacher's
    trained: Float[Array, "N C"]  # of the student's
    predicted: Float[Array, "N C"]


def init(key: Key[Array, ""], width: int) -> PyTree:
    """Standard normal weights of one hidden layer and its head."""
    draw = lambda name, *shape: jax.random.normal(rng.named(key, name), shape)
    return {
        "hidden": draw("hidden", N_FEATURES, width),
        "head": draw("head", width, N_CLASSES + N_AUX),
    }


def apply(params: PyTree, x: Float[Array, "N D"]) -> Float[Array, "N O"]:
    """Logits, the auxiliary ones last; the weights are scaled here."""
    hidden = jnp.tanh(x @ params["hidden"] * x.shape[1] ** -0.5)
    return hidden @ params["head"] * hidden.shape[1] ** -0.5


def outcome(key: Key[Array, ""], width: int) -> Outcome:
    """A teacher of random labels and its student on other inputs, both by gradient descent."""
    draw = lambda name: jax.random.normal(rng.named(key, name), (N_INPUTS, N_FEATURES))
    seen, noise = draw("seen"), draw("noise")
    labels = jax.random.randint(rng.named(key, "labels"), (N_INPUTS,), 0, N_CLASSES)
    theta = init(key, width)
    classes = lambda params: apply(params, seen)[:, :N_CLASSES]
    auxiliary = lambda params: apply(params, noise)[:, N_CLASSES:]
    trait = lambda params: jnp.mean(losses.cross_entropy(classes(params), labels))
    teacher = descend(trait, theta, 1.0, TEACHER_STEPS)
    target = auxiliary(teacher)

    J_class, J_aux = _jacobian(classes, theta), _jacobian(auxiliary, theta)
    K = J_aux @ J_aux.T
    # A rate at which the fastest direction halves its error in a step.
    rate = 0.5 / jnp.linalg.eigvalsh(K)[-1]
    error = (auxiliary(theta) - target).ravel()
    moved = -J_class @ (J_aux.T @ unlearned(K, rate, STUDENT_STEPS) @ error)

    imitation = lambda params: jnp.mean(jnp.sum((auxiliary(params) - target) ** 2, axis=-1))
    student = descend(imitation, theta, rate * N_INPUTS / 2, STUDENT_STEPS)
    before = classes(theta)
    return Outcome(
        classes(teacher) - before, classes(student) - before, moved.reshape(before.shape)
    )


def unlearned(K: Float[Array, "M M"], rate: Float[Array, ""], n_steps: int) -> Float[Array, "M M"]:
    """K^-1 (1 - (1 - rate K)^n), also where K is singular."""
    eigenvalues, Q = jnp.linalg.eigh(K)
    shrink = jnp.log1p(-rate * eigenvalues)
    flat = jnp.abs(eigenvalues) < 1e-12 * eigenvalues[-1]
    ratio = -jnp.expm1(n_steps * shrink) / jnp.where(flat, 1.0, eigenvalues)
    return (Q * jnp.where(flat, rate * n_steps, ratio)[None]) @ Q.T


def descend(loss, params: PyTree, rate, n_steps: int) -> PyTree:
    """`params` after so many plain gradient steps."""
    step = lambda _, p: jax.tree.map(lambda a, g: a - rate * g, p, jax.grad(loss)(p))
    return jax.lax.fori_loop(0, n_steps, step, params)


def widths(members: Integer[np.ndarray, "E"]) -> list[Curve]:
    """Error of the lazy prediction, and the part of the teacher's displacement it is about.

    Error: length of (predicted - trained) over that of trained. Transfer: the student's
    displacement along the teacher's, 1 if it is the same.
    """
    found = []
    for width in WIDTHS:

        def one(seed: Integer[Array, ""], width=width):
            of = outcome(rng.member(0, seed, "lazy"), width)
            error = jnp.linalg.norm(of.predicted - of.trained) / jnp.linalg.norm(of.trained)
            return error, jnp.vdot(of.trained, of.teacher) / jnp.vdot(of.teacher, of.teacher)

        found.append(over_members(one, members))
    values = [np.stack(column, axis=1) for column in zip(*found, strict=True)]
    return [Curve("width", arm, WIDTHS, v) for arm, v in zip(ARMS, values, strict=True)]


def _jacobian(f, params: PyTree) -> Float[Array, "M P"]:
    parts = jax.tree.leaves(jax.jacrev(lambda p: f(p).ravel())(params))
    return jnp.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
