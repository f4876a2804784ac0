"""Two models small enough to work out on paper, and random ones: the code says the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import expansion, gradients, models
from theory.gradients import Setting
from theory.imitation import CrossEntropy, KLDivergence, SquaredError

ALPHA = 0.5


@pytest.fixture(autouse=True, scope="module")
def float64():
    with jax.enable_x64(True):
        yield


def line():
    """f(theta)(x) = theta x at theta = 1, x in {1, 3}, squared error; L_T = (theta - 2)^2 / 2.

    D_T = 2 - theta = 1, so J = x and H = 0. E x^2 = 5, hence A = 2 E J^2 = 10 and B = 0. The
    student's direction is D_S = 2 E x^2 eps D_T = 10 eps, V = 10; L_T'' = 1, so
    C = -alpha B + alpha^2 V^2 / 2 = 50 alpha^2. In full, with theta_S = 1 + 10 alpha eps,
    L_T(theta_S) - 1/2 = (1 - 10 alpha eps)^2 / 2 - 1/2 = -10 alpha eps + 50 alpha^2 eps^2:
    the expansion ends there, and L_T rises from eps = 1 / (5 alpha) on.
    """
    setting = Setting(
        apply=lambda theta, x: theta[None, None] * x,
        inputs=jnp.array([[1.0], [3.0]]),
        imitation=SquaredError(jnp.ones(1), jnp.array([True])),
        trait=lambda theta: (theta - 2) ** 2 / 2,
    )
    return setting, jnp.array(1.0), (10.0, 0.0, 50 * ALPHA**2)


def coin():
    """Logits (theta, 0) at theta = log 3, cross-entropy; L_T = -2 theta.

    p = (3/4, 1/4) and D_T = 2, so J = (2, 0), H = 0. A = Var_p(J) = 4 p (1 - p) = 3/4. The third
    central moment of J is 8 p (1 - p) (1 - 2 p) = -3/4, so B = -3/8. L_T'' = 0, so C = -alpha B.
    In full, D_S.D_T = 2 (s(theta + 2 eps) - s(theta)) with s the logistic function.
    """
    setting = Setting(
        apply=lambda theta, x: jnp.stack([theta * x[:, 0], 0 * x[:, 0]], axis=-1),
        inputs=jnp.ones((1, 1)),
        imitation=CrossEntropy(jnp.array([True, True])),
        trait=lambda theta: -2 * theta,
    )
    return setting, jnp.log(3.0), (0.75, -0.375, 0.375 * ALPHA)


@pytest.mark.parametrize("case", [line, coin])
def test_the_code_finds_what_paper_finds(case):
    setting, theta, (A, B, C) = case()
    taylor = expansion.coefficients(setting, theta, theta, ALPHA, 2)
    close = lambda found, expected: np.testing.assert_allclose(found, expected, atol=1e-14)
    close(expansion.product_closed_form(setting, theta), (A, B))
    close(expansion.change_closed_form(setting, theta, ALPHA), (-ALPHA * A, C))
    close([taylor[1].product, taylor[2].product], (A, B))
    close([taylor[1].slope, taylor[1].change, taylor[2].change], (-A, -ALPHA * A, C))


@pytest.mark.parametrize("eps", [1e-3, 0.1, 1.0])
def test_the_whole_step_is_what_paper_finds(eps):
    setting, theta, _ = line()
    found = gradients.step(setting, theta, theta, eps, ALPHA)
    np.testing.assert_allclose(found.product, 10 * eps, rtol=1e-12)
    np.testing.assert_allclose(
        found.change, -10 * ALPHA * eps + 50 * ALPHA**2 * eps**2, rtol=1e-12, atol=1e-15
    )
    setting, theta, _ = coin()
    logistic = lambda t: 1 / (1 + np.exp(-t))
    expected = 2 * (logistic(np.log(3) + 2 * eps) - 0.75)
    found = gradients.step(setting, theta, theta, eps, ALPHA)
    np.testing.assert_allclose(found.product, expected, rtol=1e-12)


def test_the_student_of_the_line_is_pushed_away_from_eps_of_one_over_five_alpha():
    setting, theta, _ = line()
    edge = 1 / (5 * ALPHA)
    change = lambda eps: gradients.step(setting, theta, theta, eps, ALPHA).change
    assert change(0.99 * edge) < 0 < change(1.01 * edge)


# Few shapes, so that JAX compiles each operation once; signs, scales and subsets vary freely.
N_INPUTS, N_LOGITS = 3, 3
CASES = {
    "widths": st.lists(st.sampled_from([2, 3]), max_size=2),
    "activation": st.sampled_from(["tanh", "relu", "gelu", "sigmoid"]),
    "loss": st.sampled_from(["squared", "cross_entropy", "kl"]),
    "where": st.lists(st.booleans(), min_size=N_LOGITS, max_size=N_LOGITS).filter(any),
    "seed": st.integers(0, 2**32 - 1),
}


def case(widths, activation, loss, where, seed):
    """A random network, imitation loss and direction: (setting, theta, name of the head)."""
    normal = np.random.default_rng(seed).normal
    where = jnp.asarray(where)
    weights = jnp.asarray(np.maximum(normal(size=N_LOGITS), 0))
    imitation = {
        "squared": SquaredError(weights, where),
        "cross_entropy": CrossEntropy(where),
        "kl": KLDivergence(where),
    }[loss]
    model = models.perceptron((2, *widths, N_LOGITS), activation)
    like = model.init(jax.random.key(0))
    theta, direction = (
        jax.tree.map(lambda x: jnp.asarray(normal(size=x.shape)), like) for _ in range(2)
    )
    # Any direction will do for the lemma.
    trait = lambda params: -gradients.dot(direction, params)
    setting = Setting(model.apply, jnp.asarray(normal(size=(N_INPUTS, 2))), imitation, trait)
    return setting, theta, model.head


@settings(max_examples=10)
@given(**CASES)
def test_A_is_not_negative_and_is_the_derivative_of_the_product(**words):
    setting, theta, _ = case(**words)
    A = float(gradients.leading_coefficient(setting, theta))
    found = expansion.coefficients(setting, theta, theta, ALPHA, 1)
    assert A >= 0
    np.testing.assert_allclose(found[0].product, 0, atol=1e-12)
    np.testing.assert_allclose(found[1].product, A, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found[1].change, -ALPHA * A, rtol=1e-10, atol=1e-12)


@settings(max_examples=20)
@given(**CASES, eps=st.floats(-2, 2))
def test_a_trait_that_does_not_reach_the_imitated_logits_has_no_pull_at_any_eps(eps, **words):
    setting, theta, head = case(**words)
    hidden = ~jnp.asarray(words["where"])
    trait = lambda params: jnp.sum(jnp.where(hidden, jnp.sin(params[head]["bias"]), 0.0))
    blind = Setting(setting.apply, setting.inputs, setting.imitation, trait)
    assert float(gradients.leading_coefficient(blind, theta)) == 0
    assert float(gradients.step(blind, theta, theta, eps, ALPHA).product) == 0
