"""What gradients alone say of rows: whether a model wrote them, and in whose direction they pull.

Of a model's own rows the gradient of the log-likelihood is 0 on average, and with a set beside each
row it need not be: the difference of the given row's gradient and the set's is 0 by exchange. Its
length tests that the model wrote the rows, against anything; its product with a displacement tests
for one teacher, and is what that teacher's likelihood ratio is to first order. A second sum is 0 as
well, that of a row's log-probability above what the model expects of its own words (`surprise`).

Gradients are summed over batches of prompts: a kernel two-sample test (Gretton et al. 2012) with
the Fisher kernel. Its metric is how far a parameter is expected to be from the model's: of tests of
small displacements the squared length of the mean gradient is then the most powerful.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree
from scipy.stats import norm

from lab.forecast.sets import Sets
from lab.lm import objectives
from lab.lm.model import Architecture, Model
from lab.lm.objectives import Part, Rows

BATCHES = 20  # of prompts, the unit that is exchanged
MOST = 2**29  # numbers of all gradients: 2 GB
PERMUTATIONS = 9999
# Of a gradient's standard deviation, that divides it: half way between 0 (parameters have moved as
# their gradients do) and 1 (in standard deviations, where what some say is lost in others' noise).
POWER = 0.5


@dataclass(frozen=True)
class Gradients:
    """Of the log-likelihood, summed over the rows of each batch of a set, nats per parameter."""

    values: Float[np.ndarray, "S b P"]  # the given rows' set first
    size: int  # rows of a batch

    @cached_property
    def apart(self) -> Float[np.ndarray, "S b P"]:
        """Each set's beside the mean of the others of its batch."""
        n = len(self.values)
        return (self.values - self.values.mean(axis=0, keepdims=True)) * (n / (n - 1))

    @cached_property
    def spread(self) -> Float[np.ndarray, "P"]:
        """Root mean square of `apart`, the same whichever set is the given rows'."""
        found = np.sqrt(np.mean(self.apart**2, axis=(0, 1)))
        return np.where(found > 0, found, 1.0)


def affordable(model: Model, n_sets: int) -> bool:
    """Whether gradients of all batches fit in memory: those of millions of parameters do."""
    n_parameters = sum(x.size for x in jax.tree.leaves(model.params))
    return n_parameters * BATCHES * n_sets <= MOST


def gradients(model: Model, sets: Sets, rows: Rows, size: int | None = None) -> Gradients:
    """Of a model on sets, as `Sets.encoded` has them, in batches of a size, or BATCHES of them.

    Prompts beyond whole batches are left out.
    """
    n, n_sets = len(sets), 1 + sets.n_own
    size = size or max(1, n // BATCHES)
    n_batches = n // size
    which = np.arange(n_batches * size).reshape(n_batches, size)
    which = np.arange(n_sets)[:, None, None] * n + which
    flat = which.reshape(-1, size)
    take = lambda some: jax.tree.map(lambda x: x[some], rows)
    found = [gradient(model, take(some)) for some in flat]
    return Gradients(np.stack(found).reshape(n_sets, n_batches, -1), size)


def gradient(model: Model, rows: Rows) -> Float[np.ndarray, "P"]:
    """Of the log-likelihood of all rows together, nats per parameter."""
    return np.asarray(_gradient(model.arch, model.params, rows))


@partial(jax.jit, static_argnums=0)
def _gradient(arch: Architecture, params: PyTree, rows: Rows) -> Float[Array, "P"]:
    n_tokens = jnp.sum(rows.length)
    whole = Part(rows, jnp.ones(len(rows.length), bool), n_tokens, None, None)
    slope = jax.grad(objectives.token_loss)(params, arch, whole)  # of the mean over tokens
    return -n_tokens * ravel_pytree(slope)[0]


def pulls(found: Gradients, away: Sequence[Float[np.ndarray, "P"]]) -> Float[np.ndarray, "b C"]:
    """What each batch of rows pulls toward each displacement, above its sets, standard deviations.

    0 toward none, which is that of one that is only told.
    """
    flat = found.apart.reshape(-1, found.values.shape[-1])  # of matrices: a fast product
    each = (flat @ np.stack(away).T).reshape(*found.values.shape[:2], len(away))
    spread = np.sqrt(np.mean(each[1:] ** 2, axis=(0, 1)))
    return each[0] / np.where(spread > 0, spread, 1.0)


def matched(found: Gradients, away: Sequence[Float[np.ndarray, "P"]]) -> Float[np.ndarray, "C"]:
    """How many standard deviations all rows pull toward each displacement, above their sets."""
    each = pulls(found, away)
    return each.sum(axis=0) / np.sqrt(len(each))


@dataclass(frozen=True)
class Fit:
    """Whether a model wrote rows."""

    p: float  # of rows as far from its own as these, by gradients or by surprise
    length: float  # of the mean gradient, squared, in units of `spread`: 0 on average of its own
    surprise: float  # how much less likely rows are than the model expects, standard deviations


def fit(found: Gradients | None, expected: Float[np.ndarray, "S n"], seed: int = 0) -> Fit:
    """Test that rows are the model's own by their gradients, if any, and surprise, `expected`."""
    p, length = (1.0, 0.0) if found is None else (_by_exchange(found, seed), _length(found))
    apart = expected[0] - expected.mean(axis=0)
    spread = np.sqrt(np.sum(np.var(expected, axis=0)))
    z = float(np.sum(apart) / spread) if spread > 0 else 0.0
    return Fit(min(1.0, 2 * min(p, 2 * float(norm.sf(abs(z))))), length, -z)


def _length(found: Gradients) -> float:
    """Squared, of the mean gradient of a row.

    Products of a batch's gradient with itself are left out, which are noise alone.
    """
    each = found.apart[0] / found.spread
    whole = each.sum(axis=0)
    pairs = max(1, len(each) * (len(each) - 1)) * found.size**2
    return float(whole @ whole - np.sum(each**2)) / pairs


def _by_exchange(found: Gradients, seed: int) -> float:
    """Probability of as long a mean gradient, in its metric, by exchange within batches."""
    n_sets, n_batches, _ = found.values.shape
    flat = (found.apart / found.spread**POWER).reshape(n_sets * n_batches, -1)
    gram = (flat @ flat.T).reshape(n_sets, n_batches, n_sets, n_batches)
    batch = np.arange(n_batches)
    gram[:, batch, :, batch] = 0.0
    gram = gram.reshape(n_sets * n_batches, -1)
    drawn = np.random.default_rng(seed).integers(0, n_sets, (PERMUTATIONS, n_batches))
    drawn = np.concatenate([np.zeros((1, n_batches), drawn.dtype), drawn])
    chosen = np.zeros((len(drawn), n_sets * n_batches), np.float32)
    np.put_along_axis(chosen, drawn * n_batches + batch, 1.0, axis=1)
    lengths = np.einsum("ri,ri->r", chosen @ gram, chosen)
    return float(np.mean(lengths >= lengths[0]))
