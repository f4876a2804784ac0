"""Closed forms against simulations that know nothing of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.random import default_rng

from theory import lazy, linear


@pytest.fixture(autouse=True, scope="module")
def float64():
    with jax.enable_x64(True):
        yield


def problem():
    draw = lambda *shape: jnp.asarray(default_rng(sum(shape)).normal(size=shape))
    x, theta, target = draw(20, 5), draw(5, 3), draw(5, 3) + 1
    return x, theta, target, jnp.array([0.0, 0.5, 2.0])


def loss(theta, target, x, weights):
    return jnp.mean(jnp.sum(weights[None] * (x @ (theta - target)) ** 2, axis=-1))


@pytest.mark.parametrize("n_steps", [1, 10, 200])
def test_gradient_descent_of_a_linear_student_is_the_closed_form(n_steps):
    x, theta, target, weights = problem()
    S, alpha = linear.second_moment(x), 0.05
    simulated = lazy.descend(lambda p: loss(p, target, x, weights), theta, alpha, n_steps)
    found = linear.after_steps(theta, target, S, weights, alpha, n_steps)
    np.testing.assert_allclose(found, simulated, rtol=1e-10, atol=1e-12)


def test_small_steps_tend_to_the_flow():
    x, theta, target, weights = problem()
    S = linear.second_moment(x)
    flow = linear.after_flow(theta, target, S, weights, 1.0)
    error = [
        jnp.abs(linear.after_steps(theta, target, S, weights, 1 / n, n) - flow).max()
        for n in (100, 1000)
    ]
    assert 8 < error[0] / error[1] < 12


def test_a_linear_student_is_pulled_at_every_step_and_not_past_its_teacher():
    x, theta, target, weights = problem()
    S, D_T = linear.second_moment(x), target - theta
    pulled = [
        float(jnp.vdot(linear.after_steps(theta, target, S, weights, 0.05, n) - theta, D_T))
        for n in range(50)
    ]
    assert abs(pulled[0]) < 1e-13
    assert (np.diff(pulled) > 0).all()
    assert pulled[-1] < float(jnp.vdot(D_T, D_T))


def test_logits_that_are_not_imitated_stay_in_a_linear_student():
    x, theta, target, weights = problem()
    after = linear.after_steps(theta, target, linear.second_moment(x), weights, 0.05, 100)
    np.testing.assert_allclose(after[:, 0], theta[:, 0], rtol=1e-12)


def orthonormal(seed, rows, columns):
    return jnp.asarray(np.linalg.qr(default_rng(seed).normal(size=(rows, columns)))[0])


def flow(loss, params, time, n_steps=400):
    """Gradient flow by fourth-order Runge-Kutta."""
    h = time / n_steps
    slope = lambda p: jax.tree.map(jnp.negative, jax.grad(loss)(p))
    move = lambda p, d, s: jax.tree.map(lambda a, b: a + s * b, p, d)

    def step(_, p):
        k1 = slope(p)
        k2 = slope(move(p, k1, h / 2))
        k3 = slope(move(p, k2, h / 2))
        k4 = slope(move(p, k3, h))
        return jax.tree.map(
            lambda a, b, c, d, e: a + h / 6 * (b + 2 * c + 2 * d + e), p, k1, k2, k3, k4
        )

    return jax.lax.fori_loop(0, n_steps, step, params)


def test_a_deep_linear_student_moves_as_its_modes_do():
    k, a, s, time = 2, jnp.array([0.3, 0.5]), jnp.array([1.5, 0.8]), 2.0
    U, R = orthonormal(0, 6, k), orthonormal(1, 4, k)
    V_class, V_aux = orthonormal(2, 5, k), orthonormal(3, 3, k)
    modes = lambda left, strength, right: left @ jnp.diag(strength) @ right.T
    start = {"W": modes(U, a, R), "class": modes(R, a, V_class), "aux": modes(R, a, V_aux)}

    labels = modes(U, s, V_class)
    teacher = flow(lambda p: jnp.sum((p["W"] @ p["class"] - labels) ** 2) / 2, start, time)
    a_T = linear.teacher_weight(a, s, time)
    np.testing.assert_allclose(teacher["W"], modes(U, a_T, R), atol=1e-9)
    np.testing.assert_allclose(teacher["aux"], start["aux"], atol=0)

    shown = teacher["W"] @ teacher["aux"]
    student = flow(lambda p: jnp.sum((p["W"] @ p["aux"] - shown) ** 2) / 2, start, time)
    a_S = linear.student_weight(a, a_T, time)
    np.testing.assert_allclose(student["W"], modes(U, a_S, R), atol=1e-9)
    # The class head never moved, and yet the class logits have: toward the teacher's.
    np.testing.assert_allclose(
        student["W"] @ student["class"], modes(U, a_S * a, V_class), atol=1e-9
    )
    assert (a < a_S).all()
    assert (a_S < a_T).all()


def test_after_long_training_the_student_is_the_geometric_mean_of_start_and_teacher():
    a, s = jnp.array([0.3, 0.5]), jnp.array([1.5, 0.8])
    a_T = linear.teacher_weight(a, s, 100.0)
    np.testing.assert_allclose(a_T, jnp.sqrt(s), rtol=1e-10)
    np.testing.assert_allclose(linear.student_weight(a, a_T, 100.0), jnp.sqrt(a_T * a), rtol=1e-10)


def test_a_singular_kernel_is_descended_like_any_other():
    K = jnp.diag(jnp.array([0.0, 1.0, 3.0]))
    rate, n = jnp.asarray(0.1), 7
    expected = [n * 0.1, 1 - 0.9**7, (1 - 0.7**7) / 3]
    np.testing.assert_allclose(
        lazy.unlearned(K, rate, n), np.diag(np.array(expected)), rtol=1e-12, atol=1e-15
    )
