"""The quantities of `theory.statement` of one program on many seeds, in float64.

Steps eps are given as the distance t that the teacher moves, eps = t / |D_T|, so that one t suits
every model. Each program is compiled once for all its seeds.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, PyTree

from theory import expansion, gradients
from theory.gradients import Setting, Step
from theory.programs import EXCEPTIONS, PROGRAMS, QUICK, Program

ALPHA = 0.5
DISTANCES = (1e-2, 1e-3)


class Measured(NamedTuple):
    """One program on all its seeds, S of them, at N distances, in float64."""

    A: Any  # [S], closed form
    B: Any  # [S], closed form
    C: Any  # [S], closed form
    taylor: tuple[Step, ...]  # [S] each, orders 0 to 3, by differentiation
    eps: Any  # [S N]
    same: Step  # [S N], from the shared start
    other: Step  # [S N], from another one


def measure(program: Program, n_seeds: int) -> Measured:
    """The program's quantities on seeds 0, 1, ..., in float64."""

    def one(seed: Integer[Array, ""], theta: PyTree, other: PyTree) -> Measured:
        setting, student = program.setting(seed, theta), theta
        A, B = expansion.product_closed_form(setting, theta)
        _, C = expansion.change_closed_form(setting, theta, ALPHA)
        taylor = expansion.coefficients(setting, student, theta, ALPHA, 3)
        eps = _eps(setting, theta)
        # A loop, so that the step is compiled once for both starts.
        starts = jax.tree.map(lambda a, b: jnp.stack([a, a, b, b]), student, other)
        steps = jax.lax.map(
            lambda at: gradients.step(setting, at[0], theta, at[1], ALPHA),
            (starts, jnp.tile(eps, 2)),
        )
        half = lambda rows: jax.tree.map(lambda v: v[rows], steps)
        return Measured(A, B, C, taylor, eps, half(slice(0, 2)), half(slice(2, 4)))

    return _over_seeds(one, program, n_seeds)


def residue(program: Program, n_seeds: int) -> np.ndarray:
    """Largest of A, its derivatives and D_S.D_T at finite eps; an exception makes all of them 0."""

    def one(seed: Integer[Array, ""], theta: PyTree, other: PyTree) -> Float[Array, "n"]:
        setting = program.setting(seed, theta)
        A = gradients.leading_coefficient(setting, theta)
        first = expansion.coefficients(setting, theta, theta, ALPHA, 1)[1]
        finite = jax.lax.map(
            lambda eps: gradients.step(setting, theta, theta, eps, ALPHA).product,
            _eps(setting, theta),
        )
        return jnp.stack([A, first.product, first.slope, *finite])

    return np.max(np.abs(_over_seeds(one, program, n_seeds)), axis=1)


def _eps(setting: Setting, theta: PyTree) -> Float[Array, "n"]:
    D_T = gradients.teacher_direction(setting, theta)
    return jnp.asarray(DISTANCES) / gradients.norm(D_T)


def _over_seeds(one: Callable, program: Program, n_seeds: int):
    with jax.enable_x64(True):
        seeds = jnp.arange(n_seeds, dtype=jnp.uint32)
        run = jax.jit(jax.vmap(one), compiler_options=QUICK)
        return jax.tree.map(np.asarray, run(seeds, *starts_of(program.model, n_seeds)))


@functools.cache
def starts_of(model: str, n_seeds: int) -> tuple[PyTree, PyTree]:
    """Two initialisations of a model for every seed, drawn once for all its programs."""
    program = next(p for p in (*PROGRAMS, *EXCEPTIONS) if p.model == model)
    with jax.enable_x64(True):
        draw = jax.jit(jax.vmap(program.starts), compiler_options=QUICK)
        return draw(jnp.arange(n_seeds, dtype=jnp.uint32))
