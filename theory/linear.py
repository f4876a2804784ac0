"""Linear and deep-linear students, solved for any number of steps.

One layer, f(theta)(x) = theta^T x, squared error with weights w. A step multiplies the error
theta - theta_T in every eigendirection of S = E x x^T and every logit i by a number of its own,

    1 - 2 alpha lambda_j w_i,

so k steps multiply by its k-th power, and gradient flow for a time tau by exp(-2 lambda_j w_i tau).
From a shared start the student has moved, after k steps, by the part 1 - (1 - 2 alpha lambda w)^k
of the teacher's displacement in every direction: the theorem's pull for all k, as long as
alpha lambda w < 1. But logits do not share parameters here: a trait in logits that are not imitated
is out of reach, and A = 0.

Two layers share the first of them. Take f(x) = H^T W^T x, inputs with S = I, and singular vectors
that fit together: W = U diag(a) R^T, class head R diag(b) V_c^T, auxiliary head R diag(b) V_a^T.
Under gradient flow on half the squared error every mode then moves by itself, and if it is balanced
(a = b at the start) its strength u = a b obeys u' = 2 u (target - u), a logistic curve. The teacher
learns its class target s; the student imitates the auxiliary mode, whose target is a_T a_0, and
carries its new a_S to the class logits, a_S a_0. After long training a_T = sqrt(s), and a_S is
sqrt(a_T a_0), the geometric mean of the teacher's weight and the one both began with.
Source of the logistic curve: Saxe, McClelland and Ganguli, arXiv 1312.6120.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

Scalar = Float[Array, ""] | float


def second_moment(x: Float[Array, "N D"]) -> Float[Array, "D D"]:
    """S = E x x^T."""
    return x.T @ x / len(x)


def after_steps(
    theta: Float[Array, "D O"],
    target: Float[Array, "D O"],
    S: Float[Array, "D D"],
    weights: Float[Array, "O"],
    alpha: Scalar,
    n_steps: int,
) -> Float[Array, "D O"]:
    """Parameters after `n_steps` gradient steps on E sum_i w_i ((theta - target)^T x)_i^2."""
    factor = lambda rate: (1 - alpha * rate) ** n_steps
    return _solve(theta, target, S, weights, factor)


def after_flow(
    theta: Float[Array, "D O"],
    target: Float[Array, "D O"],
    S: Float[Array, "D D"],
    weights: Float[Array, "O"],
    time: Scalar,
) -> Float[Array, "D O"]:
    """The same for small steps: n_steps to infinity with alpha n_steps = time."""
    return _solve(theta, target, S, weights, lambda rate: jnp.exp(-rate * time))


def _solve(theta, target, S, weights, factor):
    eigenvalues, Q = jnp.linalg.eigh(S)
    rate = 2 * eigenvalues[:, None] * weights[None]
    return target + Q @ (factor(rate) * (Q.T @ (theta - target)))


def mode(start: Float[Array, "*k"], target: Float[Array, "*k"], time: Scalar) -> Float[Array, "*k"]:
    """u(time) of u' = 2 u (target - u), u(0) = start; both positive."""
    return target / (1 + (target / start - 1) * jnp.exp(-2 * target * time))


def teacher_weight(
    a: Float[Array, "*k"], s: Float[Array, "*k"], time: Scalar
) -> Float[Array, "*k"]:
    """First-layer strength a_T of a teacher of the class target s, balanced start a."""
    return jnp.sqrt(mode(a**2, s, time))


def student_weight(
    a: Float[Array, "*k"], a_T: Float[Array, "*k"], time: Scalar
) -> Float[Array, "*k"]:
    """First-layer strength a_S of a student of the auxiliary logits, shared balanced start a."""
    return jnp.sqrt(mode(a**2, a_T * a, time))
