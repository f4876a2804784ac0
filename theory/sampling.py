"""A student that sees labels drawn from its teacher's outputs, instead of the outputs.

Symbols as in `theory.statement`; cross-entropy, N inputs, n labels for each. The student's loss is
linear in its target, so a label e drawn from p = softmax(y) stands for p without bias:

    D_S.D_T = E_x sum_i (e_i - q_i) J_i,   q = softmax(z),

whose mean over labels is the exact product.

Its variance is E Var_p(J) / (N n), and E Var_p(J) is A but for terms of order eps: the number that
sets the pull also sets the noise. Relative to the pull A eps the noise is 1 / (eps sqrt(A N n)), so
the sign is safe only with N n >> 1 / (A eps^2) labels. (A is the Fisher information along D_T.)

The most likely label is another matter. It does not change when the teacher moves a little: the
student learns to be sure, not to be like its teacher, and more inputs do not help.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key, PyTree

from lab import rng
from theory import gradients
from theory.failures import Curve, curves, over_members
from theory.gradients import Setting
from theory.programs import SUBSETS, Program

PROGRAM = Program("mlp_2", "tanh", "kl", "aux", "classes")
LABELS = tuple(4**k for k in range(6))
DISTANCE = 0.1
DRAWS = 32
ARMS = (
    "sampled labels, bias",
    "sampled labels, spread",
    "sampled labels, spread predicted",
    "most likely label, bias",
)


class Logits(NamedTuple):
    """What a product with D_T needs: per input and imitated logit, K of them."""

    teacher: Float[Array, "N K"]
    student: Float[Array, "N K"]
    along: Float[Array, "N K"]  # J of the student


def logits(setting: Setting, theta: PyTree, eps: Float[Array, ""] | float, kept) -> Logits:
    """Teacher's and student's logits and J after a teacher's step eps; `kept` are imitated."""
    D_T = gradients.teacher_direction(setting, theta)
    z, J = jax.jvp(setting.logits, (theta,), (D_T,))
    teacher = setting.logits(jax.tree.map(lambda p, d: p + eps * d, theta, D_T))
    return Logits(teacher[:, kept], z[:, kept], J[:, kept])


def product(of: Logits, target: Float[Array, "N K"]) -> Float[Array, ""]:
    """D_S.D_T of a student that imitates the probabilities `target`."""
    q = jax.nn.softmax(of.student)
    return jnp.mean(jnp.sum((target - q) * of.along, axis=-1))


def sampled(key: Key[Array, ""], of: Logits, counts: tuple[int, ...]) -> Float[Array, "C"]:
    """D_S.D_T with the first n of one series of labels per input, for every n in `counts`."""
    labels = jax.random.categorical(key, of.teacher[None], shape=(max(counts), len(of.teacher)))
    q = jax.nn.softmax(of.student)
    centred = of.along - jnp.sum(q * of.along, axis=-1, keepdims=True)
    pulls = jnp.take_along_axis(centred, labels.T, axis=-1)  # [N n]
    return jnp.stack([jnp.mean(pulls[:, :n]) for n in counts])


def labels(members: Integer[np.ndarray, "E"]) -> list[Curve]:
    """Error of D_S.D_T relative to that of full outputs, against the labels per input.

    Bias: mean over draws of labels, minus 1. Spread: their standard deviation.
    """
    kept = np.flatnonzero(np.asarray(SUBSETS[PROGRAM.subset]()))

    def one(seed: Integer[Array, ""]) -> dict[str, Float[Array, "C"]]:
        theta, _ = PROGRAM.starts(seed)
        setting = PROGRAM.setting(seed, theta)
        eps = DISTANCE / gradients.norm(gradients.teacher_direction(setting, theta))
        of = logits(setting, theta, eps, kept)
        exact = product(of, jax.nn.softmax(of.teacher))
        keys = jax.random.split(rng.member(0, seed, "labels"), DRAWS)
        draws = jax.lax.map(lambda key: sampled(key, of, LABELS), keys) / exact
        greedy = jax.nn.one_hot(jnp.argmax(of.teacher, axis=-1), of.teacher.shape[1])
        A = gradients.leading_coefficient(setting, theta)
        total = len(of.teacher) * jnp.asarray(LABELS)
        return {
            "sampled labels, bias": jnp.mean(draws, axis=0) - 1,
            "sampled labels, spread": jnp.std(draws, axis=0, ddof=1),
            "sampled labels, spread predicted": 1 / (eps * jnp.sqrt(A * total)),
            "most likely label, bias": jnp.full(len(LABELS), product(of, greedy) / exact - 1),
        }

    return curves("labels", ARMS, LABELS, over_members(one, members))
