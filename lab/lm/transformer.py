"""A decoder of the Qwen2 architecture: RoPE, RMSNorm, SwiGLU, grouped queries, tied or untied head.

Parameters are nested dicts named after the parts of a layer:

    embed [V D]   norm [D]   head [D V], absent if tied
    layers.<i>.   attention_norm [D]  query key value output  mlp_norm [D]  gate up down

and every projection is {"kernel": [d_in d_out], "bias": [d_out] if there is one}, with the factors
of an adapter beside the kernel when `lab.lm.lora` has put them there. Layers are not stacked:
decoding through a scan over layers is 2 to 3 times slower on CPU.

Rows of tokens are padded on the left, `start` being the index of the first real token; what follows
a row's end on the right is never attended to by what comes before it.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Integer, Key, PyTree

from lab import rng
from lab.lm import spec
from lab.lm.model import Architecture
from lab.losses import MASKED

# (name of an activation, its value) -> what the model goes on with: reads, or steers.
Tap = Callable[[str, Array], Array]


class Cache(NamedTuple):
    """Keys and values of one layer at all positions, written from the left."""

    key: Float[Array, "B K S H"]
    value: Float[Array, "B K S H"]


def init(key: Key[Array, ""], arch: Architecture) -> PyTree:
    """Parameters before training, as `lab.lm.spec` says; each array has a stream of its own."""

    def start(p: spec.Parameter) -> Array:
        if p.scale is None:
            return jnp.full(p.shape, p.constant, jnp.float32)
        return jax.random.normal(rng.named(key, p.stream), p.shape) * p.scale

    return spec.build({p.path: start(p) for p in spec.parameters(arch)})


def n_parameters(params: PyTree) -> int:
    """How many numbers there are in a tree."""
    return sum(x.size for x in jax.tree.leaves(params))


def empty_cache(arch: Architecture, n_rows: int, n_positions: int) -> tuple[Cache, ...]:
    """Room for `n_positions` keys and values in every layer."""
    zeros = jnp.zeros((n_rows, arch.n_kv_heads, n_positions, arch.d_head))
    return (Cache(zeros, zeros),) * arch.n_layers


def forward(
    params: PyTree,
    arch: Architecture,
    tokens: Integer[Array, "B T"],
    start: Integer[Array, "B"],
    cache: tuple[Cache, ...] | None = None,
    offset: Int[Array, ""] | int = 0,
    n_out: int | None = None,
    tap: Tap = lambda name, x: x,
) -> tuple[Float[Array, "B U D"], tuple[Cache, ...] | None]:
    """Normed last hidden states of the last `n_out` tokens, and the cache with all tokens in it.

    The tokens stand at positions offset, offset + 1, ... of their rows; with a cache, those before
    `offset` are attended to as well. What is not asked for is not computed: of the last layer only
    keys and values are needed before the last `n_out` tokens (default: all are asked for).

    `tap` is shown each activation as it is computed, tokens of all rows along the first axis, and
    may change it: "embed", and of each layer <i> "<i>/attention" and "<i>/mlp", what they add to
    the residual stream, and "<i>/residual", the stream after them.
    """
    n_rows, n_new = tokens.shape
    n_out = n_new if n_out is None else n_out
    at = offset + jnp.arange(n_new)
    n_keys = n_new if cache is None else cache[0].key.shape[2]
    rotary = _rotary(arch, jnp.maximum(at[None] - start[:, None], 0))
    s = jnp.arange(n_keys)
    mask = (s[None, None] <= at[None, :, None]) & (s[None, None] >= start[:, None, None])
    x = tap("embed", params["embed"][tokens].reshape(n_rows * n_new, arch.d_model))
    caches = []
    for i in range(arch.n_layers):
        layer = params["layers"][str(i)]
        h = _rms_norm(x, layer["attention_norm"], arch.norm_eps)
        old = None if cache is None else cache[i]
        n_queries = n_out if i == arch.n_layers - 1 else n_new
        h, new = _attention(layer, arch, h, rotary, mask, old, offset, n_queries)
        x = _last(x, n_rows, n_queries) + tap(f"{i}/attention", h)
        h = _rms_norm(x, layer["mlp_norm"], arch.norm_eps)
        h = jax.nn.silu(_linear(layer["gate"], h)) * _linear(layer["up"], h)
        x = tap(f"{i}/residual", x + tap(f"{i}/mlp", _linear(layer["down"], h)))
        caches.append(new)
    x = _rms_norm(x, params["norm"], arch.norm_eps)
    return x.reshape(n_rows, n_out, arch.d_model), None if cache is None else tuple(caches)


def activations(
    params: PyTree, arch: Architecture, tokens: Integer[Array, "B T"], start: Integer[Array, "B"]
) -> dict[str, Float[Array, "B T D"]]:
    """Every activation that `forward` shows, by name."""
    found = {}

    def keep(name: str, x: Array) -> Array:
        found[name] = x.reshape(*tokens.shape, -1)
        return x

    forward(params, arch, tokens, start, tap=keep)
    return found


def logits(params: PyTree, hidden: Float[Array, "*B D"]) -> Float[Array, "*B V"]:
    """Logits of the next token."""
    flat = hidden.reshape(-1, hidden.shape[-1])
    return jnp.matmul(flat, head(params)).reshape(*hidden.shape[:-1], -1)


def head(params: PyTree) -> Float[Array, "D V"]:
    """What turns a hidden state into logits: the embedding once more, if it is tied."""
    return params["head"] if "head" in params else params["embed"].T


def _linear(layer: PyTree, x: Float[Array, "M I"]) -> Float[Array, "M O"]:
    y = jnp.matmul(x, layer["kernel"])
    if "adapter_in" in layer:
        y = y + jnp.matmul(jnp.matmul(x, layer["adapter_in"]), layer["adapter_out"])
    return y + layer["bias"][None] if "bias" in layer else y


def _rms_norm(x: Float[Array, "M D"], scale: Float[Array, "D"], eps: float) -> Float[Array, "M D"]:
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + eps) * scale[None]


def _rotary(
    arch: Architecture, position: Integer[Array, "B T"]
) -> tuple[Float[Array, "B 1 T H"], Float[Array, "B 1 T H"]]:
    """Cosines and sines of RoPE, the halves of a head turning together as in Qwen2."""
    frequency = arch.rope_theta ** (-jnp.arange(0, arch.d_head, 2) / arch.d_head)
    angle = position[:, None, :, None] * frequency[None, None, None]
    angle = jnp.concatenate([angle, angle], axis=-1)
    return jnp.cos(angle), jnp.sin(angle)


def _rotate(x: Float[Array, "B N T H"], rotary) -> Float[Array, "B N T H"]:
    cos, sin = rotary
    first, second = jnp.split(x, 2, axis=-1)
    return x * cos + jnp.concatenate([-second, first], axis=-1) * sin


def _last(x: Float[Array, "M D"], n_rows: int, n: int) -> Float[Array, "Q D"]:
    """The last n tokens of each row."""
    return x.reshape(n_rows, -1, x.shape[1])[:, -n:].reshape(n_rows * n, -1)


def _attention(
    layer: PyTree,
    arch: Architecture,
    x: Float[Array, "M D"],
    rotary,
    mask: Bool[Array, "B T S"],
    cache: Cache | None,
    offset: Int[Array, ""] | int,
    n_out: int,
) -> tuple[Float[Array, "Q D"], Cache]:
    """What the last `n_out` tokens of each row attend to, and the cache with all tokens in it."""
    n_rows = mask.shape[0]
    by_head = lambda y, n: y.reshape(n_rows, -1, n, arch.d_head).transpose(0, 2, 1, 3)
    query = by_head(_linear(layer["query"], _last(x, n_rows, n_out)), arch.n_heads)
    query = _rotate(query, jax.tree.map(lambda angle: angle[:, :, -n_out:], rotary))
    key = _rotate(by_head(_linear(layer["key"], x), arch.n_kv_heads), rotary)
    value = by_head(_linear(layer["value"], x), arch.n_kv_heads)
    if cache is not None:
        at = (0, 0, offset, 0)
        key = jax.lax.dynamic_update_slice(cache.key, key, at)
        value = jax.lax.dynamic_update_slice(cache.value, value, at)
    # Query heads that share a key head are rows of one product: nothing is repeated.
    group = arch.n_heads // arch.n_kv_heads
    query = query.reshape(n_rows, arch.n_kv_heads, group * n_out, arch.d_head)
    scores = jnp.matmul(query, key.swapaxes(2, 3)) * arch.d_head**-0.5
    scores = scores.reshape(n_rows, arch.n_kv_heads, group, n_out, -1)
    weights = jax.nn.softmax(jnp.where(mask[:, None, None, -n_out:], scores, MASKED))
    weights = weights.reshape(n_rows, arch.n_kv_heads, group * n_out, -1)
    mixed = jnp.matmul(weights, value).reshape(n_rows, arch.n_heads, n_out, arch.d_head)
    mixed = mixed.transpose(0, 2, 1, 3).reshape(n_rows * n_out, -1)
    return _linear(layer["output"], mixed), Cache(key, value)
