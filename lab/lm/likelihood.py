"""How likely a model finds whole completions."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, PyTree

from lab import devices, hosts, losses
from lab.lm import objectives, transformer
from lab.lm.model import Architecture, Model
from lab.lm.objectives import Rows

ROWS_AT_ONCE = 512
ROWS_ON_CPU = 32  # of them; measured: three times faster than all together
SETS = 16  # of several, there is room for as many, or twice, and so on: one program reads them all
OfTokens = Callable[[Float[Array, "n V"], Integer[Array, "n"]], Float[Array, "n"]]


def log_likelihood(model: Model, rows: Rows, n_sets: int = 1) -> Float[np.ndarray, "n"]:
    """Log-probability of each completion after its prompt, its end token included, nats.

    Rows are several sets, one after another, which share the prompts of the first; each of these is
    read once.
    """
    return -_sums(model, rows, n_sets, losses.cross_entropy)


def surprise(model: Model, rows: Rows, n_sets: int = 1) -> Float[np.ndarray, "n"]:
    """Log-probability above what the model expects at each token, nats: 0 on average of its own.

    Below 0 where rows are less likely than those that the model would write in their place.
    `n_sets` as in `log_likelihood`.
    """
    return _sums(model, rows, n_sets, _above_expected)


def _above_expected(logits: Float[Array, "n V"], labels: Integer[Array, "n"]) -> Float[Array, "n"]:
    log_p = jax.nn.log_softmax(logits)
    entropy = -jnp.sum(jnp.exp(log_p) * log_p, axis=-1)
    return entropy - losses.cross_entropy(logits, labels)


def _sums(model: Model, rows: Rows, n_sets: int, of_tokens: OfTokens) -> Float[np.ndarray, "n"]:
    """A number of each token, summed over each completion."""
    size, n = devices.at_once(ROWS_AT_ONCE, ROWS_ON_CPU), len(rows) // n_sets
    n_more = -n_sets % SETS if n_sets > 1 else 0
    room = lambda x: np.pad(x, [(0, 0), (0, n_more), *[(0, 0)] * (x.ndim - 2)])
    by_set = lambda x: room(np.reshape(x, (n_sets, n, *np.shape(x)[1:])).swapaxes(0, 1))
    whole = Rows(rows.prompts[:n], rows.start[:n], by_set(rows.completions), by_set(rows.length))
    parts = objectives.in_parts(whole, size)
    found = [_sum(model.arch, of_tokens, model.params, part, n_sets) for part in parts]
    joined = np.concatenate([hosts.gather(x)[:n_sets] for x in found], axis=1)[:, :n]
    return joined.reshape(-1).astype(np.float64)


@partial(jax.jit, static_argnums=(0, 1))
def _sum(
    arch: Architecture, of_tokens: OfTokens, params: PyTree, rows: Rows, n_sets: Integer[Array, ""]
) -> Float[Array, "S n"]:
    """Of prompts [n P] and the first `n_sets` of S completions of each, [n S C]; else 0."""
    n_rows, n_prompt = rows.prompts.shape
    n_keys = n_prompt + rows.completions.shape[-1] - 1
    empty = transformer.empty_cache(arch, n_rows, n_keys, params["embed"].dtype)
    ends, cache = transformer.forward(params, arch, rows.prompts, rows.start, empty, n_out=1)

    def of_set(i: Integer[Array, ""], found: Float[Array, "S n"]) -> Float[Array, "S n"]:
        tokens, length = rows.completions[:, i], rows.length[:, i]
        rest, _ = transformer.forward(
            params, arch, tokens[:, :-1], rows.start, cache, offset=n_prompt
        )
        hidden = jnp.concatenate([ends, rest], axis=1)
        each = objectives.of_hidden(of_tokens, arch, [(params, hidden)], tokens)
        one = Rows(rows.prompts, rows.start, tokens, length)
        inside = objectives.inside(one)
        sums = jnp.sum(jnp.where(inside, each.reshape(tokens.shape), 0.0), axis=1)
        return found.at[i].set(sums)

    return jax.lax.fori_loop(0, n_sets, of_set, jnp.zeros(rows.length.T.shape))
