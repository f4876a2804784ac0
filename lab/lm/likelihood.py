"""How likely a model finds whole completions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from lab import losses
from lab.lm import objectives
from lab.lm.model import Architecture, Model
from lab.lm.objectives import Rows

ROWS_AT_ONCE = 512


def log_likelihood(model: Model, rows: Rows) -> Float[np.ndarray, "n"]:
    """Log-probability of each completion after its prompt, its end token included, nats."""
    found = []
    for first in range(0, len(rows), ROWS_AT_ONCE):
        # The last rows are filled up with themselves: one shape, one program.
        which = np.minimum(np.arange(first, first + ROWS_AT_ONCE), len(rows) - 1)
        some = jax.tree.map(lambda x, which=which: jnp.asarray(np.asarray(x)[which]), rows)
        found.append(np.asarray(_log_likelihood(model.arch, model.params, some)))
    return np.concatenate(found)[: len(rows)].astype(np.float64)


@partial(jax.jit, static_argnums=0)
def _log_likelihood(arch: Architecture, params: PyTree, rows: Rows) -> Float[Array, "n"]:
    tokens = rows.completions
    each = objectives.of_tokens(losses.cross_entropy, arch, [(params, rows)], tokens)
    return -jnp.sum(jnp.where(objectives.inside(rows), each.reshape(tokens.shape), 0.0), axis=1)
