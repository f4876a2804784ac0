import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from jax.test_util import check_grads

from lab import losses

ALL = jnp.ones(5, bool)
LOGITS = st.lists(st.floats(-5, 5, width=32), min_size=5, max_size=5).map(
    lambda v: jnp.array([v], jnp.float32)
)


def test_cross_entropy_of_a_hand_worked_case():
    found = losses.cross_entropy(jnp.log(jnp.array([[0.2, 0.3, 0.5]])), jnp.array([2]))
    np.testing.assert_allclose(found, [-np.log(0.5)], rtol=1e-6)


def test_kl_of_a_hand_worked_case():
    p, q = jnp.log(jnp.array([[0.5, 0.5]])), jnp.log(jnp.array([[0.25, 0.75]]))
    expected = 0.5 * np.log(2) + 0.5 * np.log(2 / 3)
    found = losses.kl_divergence(p, q, jnp.ones(2, bool))
    np.testing.assert_allclose(found, [expected], rtol=1e-6)


@given(LOGITS, LOGITS)
def test_kl_is_not_negative_and_zero_for_equal_logits(p, q):
    assert losses.kl_divergence(p, q, ALL)[0] >= -1e-6  # measured: -2e-7, rounding
    assert losses.kl_divergence(p, p, ALL)[0] == 0


@given(LOGITS, LOGITS, st.floats(-3, 3, width=32))
def test_kl_ignores_a_constant_added_to_the_logits(p, q, constant):
    difference = losses.kl_divergence(p, q, ALL) - losses.kl_divergence(p + constant, q, ALL)
    assert abs(difference[0]) < 1e-5  # measured: 3e-6


@given(LOGITS, LOGITS)
def test_selected_logits_equal_a_smaller_problem(p, q):
    where = jnp.array([False, True, True, False, True])
    small = jnp.ones(3, bool)
    for loss in (losses.kl_divergence, losses.mean_squared_error):
        np.testing.assert_allclose(
            loss(p, q, where), loss(p[:, where], q[:, where], small), rtol=1e-5, atol=1e-6
        )


def test_excluded_logits_get_no_gradient_and_the_others_the_right_one():
    where = jnp.array([False, True, True, False, True])
    p, q = jax.random.normal(jax.random.key(0), (2, 3, 5))
    gradient = jax.grad(lambda q: losses.kl_divergence(p, q, where).sum())(q)
    assert (gradient[:, ~where] == 0).all()
    softmax = lambda z: jax.nn.softmax(z[:, where], axis=-1)
    np.testing.assert_allclose(gradient[:, where], softmax(q) - softmax(p), atol=1e-6)


def test_gradients_agree_with_finite_differences():
    with jax.enable_x64(True):
        p, q = jax.random.normal(jax.random.key(0), (2, 4, 5), jnp.float64)
        for loss in (losses.kl_divergence, losses.mean_squared_error):
            check_grads(lambda q, loss=loss: loss(p, jnp.asarray(q), ALL).mean(), (q,), order=2)


def test_temperature_divides_the_logits():
    p, q = jax.random.normal(jax.random.key(0), (2, 4, 5))
    np.testing.assert_allclose(
        losses.kl_divergence(p, q, ALL, 2.0), losses.kl_divergence(p / 2, q / 2, ALL), rtol=1e-6
    )
