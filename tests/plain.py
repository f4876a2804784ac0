"""Plain computations, in place of the lab's own: what its numbers are held against."""

import jax
import jax.numpy as jnp
import numpy as np


def flat(tree) -> np.ndarray:
    """All numbers of a tree of parameters, in one row."""
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])


def cosine(a, b) -> float:
    """Of two trees of parameters, or rows of numbers."""
    a, b = flat(a), flat(b)
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def divergence(teacher, student):
    """Kullback-Leibler divergence of each row's softmax, nats."""
    log_p, log_q = jax.nn.log_softmax(teacher), jax.nn.log_softmax(student)
    return jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1)
