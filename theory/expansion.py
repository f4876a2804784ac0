"""The expansion of one imitation step in eps: by differentiation, and in closed form.

Symbols as in `theory.statement`. The two ways share no algebra: the first differentiates the
student's whole step, gradient and all, with respect to eps; the second never looks at eps. They
are meant for float64, `with jax.enable_x64(True):`.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from theory import gradients
from theory.gradients import Setting, Step, leading_coefficient, teacher_direction

Scalar = Float[Array, ""]


def derivatives(f: Callable[[Scalar], PyTree], order: int) -> tuple[PyTree, ...]:
    """f(0), f'(0), ..., up to `order`, by nested forward derivatives."""

    def differentiated(g):
        def h(eps):
            values, tangents = jax.jvp(g, (eps,), (jnp.ones_like(eps),))
            return (*values, tangents[-1])

        return h

    g = lambda eps: (f(eps),)
    for _ in range(order):
        g = differentiated(g)
    return g(jnp.zeros(()))


def coefficients(
    setting: Setting, student: PyTree, start: PyTree, alpha: float, order: int
) -> tuple[Step, ...]:
    """Taylor coefficients in eps of what one step does, by differentiation.

    From a shared start they are 0, A, B, ... for the product and 0, -alpha A, C, ... for the
    change; the first-order coefficient of the slope is d2 L_T(theta_S) / (d eps d alpha).
    """
    step = lambda eps: gradients.step(setting, student, start, eps, alpha)
    scaled = lambda values, n: jax.tree.map(lambda v: v / math.factorial(n), values)
    return tuple(scaled(values, n) for n, values in enumerate(derivatives(step, order)))


def product_closed_form(setting: Setting, theta: PyTree) -> tuple[Scalar, Scalar]:
    """(A, B) of a shared initialisation."""
    D_T = teacher_direction(setting, theta)
    z, J, H = _path(setting, theta, D_T)
    B = jnp.mean(setting.imitation.second_order(z, J, H))
    return leading_coefficient(setting, theta), B


def change_closed_form(
    setting: Setting, theta: PyTree, alpha: Scalar | float
) -> tuple[Scalar, Scalar]:
    """(-alpha A, C) of a shared initialisation."""
    D_T = teacher_direction(setting, theta)
    z, pullback = jax.vjp(setting.logits, theta)
    _, J = jax.jvp(setting.logits, (theta,), (D_T,))
    (V,) = pullback(setting.imitation.pull(z, J) / len(z))
    _, curvature = jax.jvp(jax.grad(setting.trait), (theta,), (V,))
    A, B = product_closed_form(setting, theta)
    return -alpha * A, -alpha * B + alpha**2 * gradients.dot(V, curvature) / 2


def _path(setting: Setting, theta: PyTree, D_T: PyTree):
    """Logits and their first and second derivative along D_T."""
    along = lambda p: jax.jvp(setting.logits, (p,), (D_T,))
    (z, J), (_, H) = jax.jvp(along, (theta,), (D_T,))
    return z, J, H
