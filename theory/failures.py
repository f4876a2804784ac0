"""Where the theorem ends, measured: one function per missing assumption.

Symbols as in `theory.statement`. Every function takes member numbers and returns curves: a number
for every member and every place along one axis, in float64. The teacher's step is given as the
distance t that the teacher moves, eps = t / |D_T|, so that one t suits every network.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, PyTree

from lab.optim import OPTIMIZERS
from theory import expansion, gradients
from theory.gradients import Setting
from theory.imitation import SquaredError
from theory.programs import N_LOGITS, QUICK, Program

CLASSES = Program("mlp_2", "tanh", "squared", "aux", "classes")
OUT_OF_REACH = Program("mlp_2", "tanh", "squared", "aux", "class_head")
ANY_DIRECTION = Program("mlp_2", "tanh", "squared", "all", "arbitrary")

DISTANCES = tuple(np.logspace(-4, 0, 9).tolist())
WEIGHTS = (1.0, 0.5, 0.0, -0.25, -0.5, -0.75, -1.0, -1.5, -2.0)
ALPHAS = tuple(np.logspace(-1, 2, 10).tolist())
FARTHEST = 10.0
INPUTS = (1, 4, 16)
_AT_ONCE = 10
RULES = {"gradient step": "sgd", "adam step": "adam", "sign step": "sign"}


class Curve(NamedTuple):
    """One arm of a case."""

    case: str
    arm: str
    at: tuple[float | int, ...]  # N places
    values: Any  # [E N], a row per member


def over_members(one: Callable, members: Integer[np.ndarray, "E"]) -> PyTree:
    """`one` of a member number, for all of them, in float64 and as numpy.

    They run in groups of one size, the last filled up, so that every number of members runs the
    same program.
    """
    filled = np.pad(members, (0, -len(members) % _AT_ONCE), mode="edge")
    run = jax.jit(jax.vmap(one), compiler_options=QUICK)
    with jax.enable_x64(True):
        groups = filled.astype(np.uint32).reshape(-1, _AT_ONCE)
        found = [jax.tree.map(np.asarray, run(group)) for group in groups]
    return jax.tree.map(lambda *parts: np.concatenate(parts)[: len(members)], *found)


def curves(
    case: str, arms: tuple[str, ...], at: tuple[float | int, ...], found: PyTree
) -> list[Curve]:
    """A case's curves in the order of `arms`."""
    return [Curve(case, arm, at, found[arm]) for arm in arms]


def other_start(members: Integer[np.ndarray, "E"]) -> list[Curve]:
    """The student's speed along the teacher's direction, D_S.D_T / |D_T|, against t.

    Shared start: positive and proportional to t. Another start: of either sign, and blind to t,
    since the student is busy with differences that the teacher's training did not make. A trait
    out of reach of the imitated logits: 0, not nearly 0.
    """

    def one(seed: Integer[Array, ""]) -> dict[str, Float[Array, "N"]]:
        theta, other = CLASSES.starts(seed)
        reached, blind = CLASSES.setting(seed, theta), OUT_OF_REACH.setting(seed, theta)
        along = lambda setting, student: jax.lax.map(
            lambda t: _speed(setting, student, theta, t), jnp.asarray(DISTANCES)
        )
        return {
            "shared start": along(reached, theta),
            "other start": along(reached, other),
            "trait out of reach": along(blind, theta),
        }

    arms = ("shared start", "other start", "trait out of reach")
    return curves("start", arms, DISTANCES, over_members(one, members))


def negated_weights(members: Integer[np.ndarray, "E"]) -> list[Curve]:
    """Cosine of D_S and D_T where squared error has weight w on every second logit, t = 1e-3.

    M = 2 diag(w) has a negative eigenvalue as soon as w < 0, and a student that is rewarded for
    being unlike its teacher there may be pushed away from it altogether. This takes a loss whose
    smallest value is not at z = y: where L_S is smallest at z = y for every y, its derivative in z
    vanishes along z = y, hence M equals its second derivative in z, which is not negative.
    """

    def one(seed: Integer[Array, ""]) -> Float[Array, "N"]:
        theta, _ = ANY_DIRECTION.starts(seed)
        setting = ANY_DIRECTION.setting(seed, theta)
        eps = 1e-3 / gradients.norm(gradients.teacher_direction(setting, theta))
        second = jnp.arange(N_LOGITS) % 2 == 1

        def cosine(weight: Float[Array, ""]) -> Float[Array, ""]:
            loss = SquaredError(jnp.where(second, weight, 1.0), jnp.ones(N_LOGITS, bool))
            weighted = dataclasses.replace(setting, imitation=loss)
            return gradients.cosine(*gradients.directions(weighted, theta, theta, eps))

        return jax.lax.map(cosine, jnp.asarray(WEIGHTS))

    return [Curve("weights", "weight of half the logits", WEIGHTS, over_members(one, members))]


def first_rise(members: Integer[np.ndarray, "E"]) -> list[Curve]:
    """The teacher's distance t from which L_T rises, against alpha; at most FARTHEST.

    The second order puts it at eps = alpha A / C where C > 0, and nowhere else.
    """
    distances = jnp.logspace(-4, np.log10(FARTHEST), 80)

    def one(seed: Integer[Array, ""]) -> dict[str, Float[Array, "N"]]:
        theta, _ = CLASSES.starts(seed)
        setting = CLASSES.setting(seed, theta)
        length = gradients.norm(gradients.teacher_direction(setting, theta))

        def changes(t: Float[Array, ""]) -> Float[Array, "N"]:
            at = lambda alpha: gradients.step(setting, theta, theta, t / length, alpha).change
            return jax.lax.map(at, jnp.asarray(ALPHAS))

        def predicted(alpha: Float[Array, ""]) -> Float[Array, ""]:
            fall, C = expansion.change_closed_form(setting, theta, alpha)
            return jnp.where(C > 0, length * -fall / jnp.abs(C), FARTHEST)

        found = jax.vmap(lambda change: _crossing(distances, change), in_axes=1)(
            jax.lax.map(changes, distances)
        )
        expected = jnp.minimum(jax.lax.map(predicted, jnp.asarray(ALPHAS)), FARTHEST)
        return {"L_T first rises": found, "L_T first rises, second order": expected}

    arms = ("L_T first rises", "L_T first rises, second order")
    return curves("steps", arms, ALPHAS, over_members(one, members))


def other_rules(members: Integer[np.ndarray, "E"]) -> list[Curve]:
    """Cosine of the student's first update and D_T under other rules, against the inputs imitated.

    A sign step keeps the sign of every coordinate of D_S and throws away its size, and Adam's
    first step is a sign step. A product with D_T survives that only by luck. By hand: one logit
    f = theta.x with x = (3, 1), and D_T = (1, -2). D_S is a positive multiple of
    (x.D_T) x = (3, 1), D_S.D_T > 0; but sign(D_S).D_T = 1 - 2 < 0.
    """

    def one(seed: Integer[Array, ""]) -> dict[str, Float[Array, "N"]]:
        theta, _ = CLASSES.starts(seed)
        setting = CLASSES.setting(seed, theta)

        def cosines(n: int) -> dict[str, Float[Array, ""]]:
            few = dataclasses.replace(setting, inputs=setting.inputs[:n])
            eps = 1e-2 / gradients.norm(gradients.teacher_direction(setting, theta))
            D_T, D_S = gradients.directions(few, theta, theta, eps)
            updates = {arm: update(name, D_S) for arm, name in RULES.items()}
            return {arm: gradients.cosine(step, D_T) for arm, step in updates.items()}

        found = [cosines(n) for n in INPUTS]
        return {arm: jnp.stack([values[arm] for values in found]) for arm in RULES}

    return curves("rule", tuple(RULES), INPUTS, over_members(one, members))


def update(name: str, D_S: PyTree) -> PyTree:
    """The first update that the lab's optimizer `name` makes of the direction D_S."""
    optimizer = OPTIMIZERS[name](0.9, 0.999, 1e-8)
    gradient = jax.tree.map(jnp.negative, D_S)
    direction, _ = optimizer.update(gradient, optimizer.init(gradient), gradient)
    return jax.tree.map(jnp.negative, direction)


def _speed(setting: Setting, student: PyTree, start: PyTree, t: Float[Array, ""]):
    length = gradients.norm(gradients.teacher_direction(setting, start))
    D_T, D_S = gradients.directions(setting, student, start, t / length)
    return gradients.dot(D_S, D_T) / length


def _crossing(x: Float[Array, "N"], y: Float[Array, "N"]) -> Float[Array, ""]:
    """Where y first exceeds 0, between two places by a straight line; the last x if nowhere."""
    above = y > 0
    i = jnp.maximum(jnp.argmax(above), 1)
    between = x[i - 1] - y[i - 1] * (x[i] - x[i - 1]) / (y[i] - y[i - 1])
    return jnp.where(above.any(), jnp.where(above[0], x[0], between), x[-1])
