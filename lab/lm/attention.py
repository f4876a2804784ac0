"""Attention of a row's tokens to those before them, over cached keys and values."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Integer, PyTree

from lab.kernels.fused_attention import fused_attention
from lab.lm.layers import last, linear, norm
from lab.lm.model import Architecture
from lab.lm.rope import rotary, rotate
from lab.losses import MASKED


class Cache(NamedTuple):
    """Keys and values of one layer at all positions, written from the left."""

    key: Float[Array, "B K S H"]
    value: Float[Array, "B K S H"]


class Sight(NamedTuple):
    """What is common to all layers of a kind: how positions turn, and who sees whom."""

    rotary: tuple[Array, Array] | None  # None: positions are not turned
    mask: Bool[Array, "B T S"]


def sights(
    arch: Architecture,
    at: Integer[Array, "#B T"],
    start: Integer[Array, "B"],
    position: Integer[Array, "B T"],
    n_keys: int,
) -> tuple[Sight, Sight | None]:
    """Of layers that see all tokens before theirs, and of those that see a window.

    Tokens stand at `at` in their rows, the first real one at `start`, and at `position` from there.
    """
    turned = lambda theta, scaling: (
        None if arch.learned_positions else rotary(theta, arch.n_turned, position, scaling)
    )
    full = turned(arch.rope_theta, arch.rope_scaling)
    s = jnp.arange(n_keys)
    mask = (s[None, None] <= at[:, :, None]) & (s[None, None] >= start[:, None, None])
    if not arch.local_layers:
        return Sight(full, mask), None
    near = s[None, None] > at[:, :, None] - arch.window
    return Sight(full, mask), Sight(turned(arch.local_theta, None), mask & near)


def attention(
    layer: PyTree,
    arch: Architecture,
    x: Float[Array, "M D"],
    sight: Sight,
    cache: Cache | None,
    offset: Int[Array, "*B"] | int,
    n_out: int,
) -> tuple[Float[Array, "Q D"], Cache]:
    """What the last `n_out` tokens of each row attend to, and the cache with all tokens in it."""
    n_rows = sight.mask.shape[0]

    def heads(part: str, x: Float[Array, "M D"], n_heads: int) -> Float[Array, "B N T H"]:
        y = linear(layer[part], x)
        if arch.qk_norm and part != "value":
            y = norm(layer, f"{part}_norm", arch, y.reshape(-1, arch.d_head))
        n_tokens = x.shape[0] // n_rows
        y = y.reshape(n_rows, n_tokens, n_heads, arch.d_head).transpose(0, 2, 1, 3)
        if part == "value" or sight.rotary is None:
            return y
        return rotate(y, jax.tree.map(lambda angle: angle[:, :, -n_tokens:], sight.rotary))

    query = heads("query", last(x, n_rows, n_out), arch.n_heads)
    key = heads("key", x, arch.n_kv_heads)
    value = heads("value", x, arch.n_kv_heads)
    if cache is not None:
        key = _written(cache.key, key, offset)
        value = _written(cache.value, value, offset)
    scale = arch.d_head**-0.5 if arch.query_scale is None else arch.query_scale
    by_token = lambda x: x.transpose(0, 2, 1, 3)
    if arch.fused:
        some = by_token(query), by_token(key), by_token(value)
        mixed = fused_attention(*some, sight.mask[:, -n_out:], scale)
    else:
        mixed = by_token(_mixed(query, key, value, sight.mask[:, -n_out:], scale))
    return linear(layer["output"], mixed.reshape(n_rows * n_out, -1)), Cache(key, value)


def _mixed(
    query: Float[Array, "B N T H"],
    key: Float[Array, "B K S H"],
    value: Float[Array, "B K S H"],
    mask: Bool[Array, "B T S"],
    scale: float,
) -> Float[Array, "B N T H"]:
    """Means of values. Query heads that share a key head are rows of one product, none repeated."""
    (n_rows, n_kv, n_keys, _), shape = key.shape, query.shape
    query = query.reshape(n_rows, n_kv, -1, shape[-1])
    exact = jnp.float32  # of scores, whose softmax bfloat16 would blur
    scores = jnp.matmul(query, key.swapaxes(2, 3), preferred_element_type=exact) * scale
    scores = scores.reshape(n_rows, n_kv, -1, shape[2], n_keys)
    weights = jax.nn.softmax(jnp.where(mask[:, None, None], scores, MASKED))
    weights = weights.reshape(n_rows, n_kv, -1, n_keys).astype(value.dtype)
    return jnp.matmul(weights, value).reshape(shape)


def _written(
    old: Float[Array, "B K S H"], new: Float[Array, "B K T H"], offset: Int[Array, "*B"] | int
) -> Float[Array, "B K S H"]:
    """Keys or values with those of new tokens, from one offset on, or each row's own."""
    if jnp.ndim(offset) == 0:
        return jax.lax.dynamic_update_slice(old, new, (0, 0, offset, 0))
    one = lambda old, new, at: jax.lax.dynamic_update_slice(old, new, (0, at, 0))
    return jax.vmap(one)(old, new, offset)
