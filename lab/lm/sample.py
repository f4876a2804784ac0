"""Completions drawn token by token, with cached keys and values and one random stream per row."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Bool, Float, Int, Integer, Key, PyTree

from lab import devices
from lab.kernels.inverse_cdf import inverse_cdf
from lab.lm import transformer
from lab.lm.model import Architecture

ROWS_ON_CPU = 64  # drawn together; measured: a fifth faster than 512


class _Progress(NamedTuple):
    step: Int[Array, ""]
    last: Int[Array, "B"]
    ended: Bool[Array, "B"]
    tokens: Int[Array, "B C"]
    cache: tuple[transformer.Cache, ...] | None


@partial(jax.jit, static_argnums=(1, 5, 6))
def sample(
    params: PyTree,
    arch: Architecture,
    prompts: Integer[Array, "B P"],
    start: Integer[Array, "B"],
    keys: Key[Array, "B"],
    n_new: int,
    end: int,
    temperature: Float[Array, ""] | float = 1.0,
) -> Int[Array, "B C"]:
    """At most `n_new` tokens after each left-padded prompt; after the token `end` only more of it.

    The whole vocabulary is sampled from. A row's tokens depend on its prompt and its key alone, not
    on the rows beside it, up to the rounding of sums. Rows are shared out over the host's devices.
    """
    mesh, n_rows = devices.own_mesh(), len(start)
    share = -(-n_rows // mesh.size)
    size = devices.at_once(share, ROWS_ON_CPU)
    # Copies of the last row fill up the parts, and are dropped again.
    which = jnp.minimum(jnp.arange(-(-share // size) * size * mesh.size), n_rows - 1)

    def of_device(params, temperature, *rows):
        parts = (x.reshape(-1, size, *x.shape[1:]) for x in rows)

        one = partial(_of_rows, params, arch, n_new, end, temperature)
        return jax.lax.map(one, tuple(parts)).reshape(-1, n_new)

    shared, split = PartitionSpec(), PartitionSpec(devices.ROW)
    drawn = jax.shard_map(
        of_device, mesh=mesh, in_specs=(shared, shared, split, split, split), out_specs=split,
        axis_names=devices.manual(mesh), check_vma=False,
    )(params, temperature, prompts[which], start[which], keys[which])  # fmt: skip
    return drawn[:n_rows]


def _of_rows(
    params: PyTree,
    arch: Architecture,
    n_new: int,
    end: int,
    temperature: Float[Array, ""] | float,
    rows: tuple[Integer[Array, "B P"], Integer[Array, "B"], Key[Array, "B"]],
) -> Int[Array, "B C"]:
    prompts, start, keys = rows
    n_rows, n_prompt = prompts.shape
    cache = transformer.empty_cache(arch, n_rows, n_prompt + n_new)

    def draw(hidden: Float[Array, "B D"], step: Int[Array, ""] | int) -> Int[Array, "B"]:
        # Vocabulary first: all that is summed over it then runs over whole rows of numbers.
        z = jnp.matmul(transformer.head(params).T, hidden.T) / temperature
        uniform = jax.vmap(lambda k: jax.random.uniform(jax.random.fold_in(k, step)))(keys)
        return inverse_cdf(jnp.exp(z - jnp.max(z, axis=0, keepdims=True)), uniform)

    def unfinished(p: _Progress) -> Bool[Array, ""]:
        return (p.step < n_new) & ~jnp.all(p.ended)

    def advance(p: _Progress) -> _Progress:
        hidden, cache = transformer.forward(
            params, arch, p.last[:, None], start, p.cache, n_prompt + p.step - 1
        )
        token = jnp.where(p.ended, end, draw(hidden[:, 0], p.step))
        tokens = jax.lax.dynamic_update_slice(p.tokens, token[:, None], (0, p.step))
        return _Progress(p.step + 1, token, p.ended | (token == end), tokens, cache)

    hidden, cache = transformer.forward(params, arch, prompts, start, cache, n_out=1)
    first = draw(hidden[:, -1], 0)
    tokens = jnp.full((n_rows, n_new), end, jnp.int32).at[:, 0].set(first)
    begun = _Progress(jnp.int32(1), first, first == end, tokens, cache)
    return jax.lax.while_loop(unfinished, advance, begun).tokens
