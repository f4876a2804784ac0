"""The decoder: of the Qwen2 architecture, or with what other families have in place of its parts.

Parameters are nested dicts named after the parts of a layer:

    embed [V D]   norm [D]   head [D V], absent if tied
    layers.<i>.   attention_norm [D]  query key value output  mlp_norm [D]  gate up down

(other families have more of them, or fewer: `lab.lm.spec` is the table)

and every projection is {"kernel": [d_in d_out], "bias": [d_out] if there is one}, with the factors
of an adapter beside the kernel when `lab.lm.lora` has put them there. Layers are not stacked:
decoding through a scan over layers is 2 to 3 times slower on CPU.

Rows of tokens are padded on the left, `start` being the index of the first real token; what follows
a row's end on the right is never attended to by what comes before it.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, Integer, Key, PyTree

from lab import rng
from lab.errors import LabError
from lab.kernels.thin_matmul import looked_up, thin_matmul
from lab.lm import spec
from lab.lm.attention import Cache, attention, sights
from lab.lm.layers import last, mlp, norm
from lab.lm.model import Architecture

# (name of an activation, its value) -> what the model goes on with: reads, or steers.
Tap = Callable[[str, Array], Array]


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


def empty_cache(
    arch: Architecture, n_rows: int, n_positions: int, dtype: DTypeLike = jnp.float32
) -> tuple[Cache, ...]:
    """Room for `n_positions` keys and values in every layer, of the type that parameters have."""
    zeros = jnp.zeros((n_rows, arch.n_kv_heads, n_positions, arch.d_head), dtype)
    return (Cache(zeros, zeros),) * arch.n_layers


def forward(
    params: PyTree,
    arch: Architecture,
    tokens: Integer[Array, "B T"],
    start: Integer[Array, "B"],
    cache: tuple[Cache, ...] | None = None,
    offset: Int[Array, "*B"] | int = 0,
    n_out: int | None = None,
    tap: Tap = lambda name, x: x,
) -> tuple[Float[Array, "B U D"], tuple[Cache, ...] | None]:
    """Normed last hidden states of the last `n_out` tokens, and the cache with all tokens in it.

    The tokens stand at positions offset, offset + 1, ... of their rows, from one offset or each
    row's own; with a cache, those before it are attended to as well. What is not asked for is not
    computed: of the last layer only keys and values are needed before the last `n_out` tokens
    (default: all are asked for).

    `tap` is shown each activation as it is computed, tokens of all rows along the first axis, and
    may change it: "embed", and of each layer <i> "<i>/attention" and "<i>/mlp", what they add to
    the residual stream, and "<i>/residual", the stream after them.

    Parameters in bfloat16 give hidden states in bfloat16; norms, angles of positions and softmax
    are computed in float32 all the same.
    """
    n_rows, n_new = tokens.shape
    n_out = n_new if n_out is None else n_out
    at = jnp.reshape(offset, (-1, 1)) + jnp.arange(n_new)[None]
    n_keys = n_new if cache is None else cache[0].key.shape[2]
    if n_keys > arch.n_positions:
        raise LabError(
            f"n_positions: {n_keys} tokens are more than the model's {arch.n_positions}; "
            "take shorter prompts or completions"
        )
    position = jnp.maximum(at - start[:, None], 0)
    full, local = sights(arch, at, start, position, n_keys)
    embed, held = params["embed"], "head_by_output" in params
    x = looked_up(embed, tokens) if held else embed[tokens]
    x = x.reshape(n_rows * n_new, arch.d_model)
    if arch.embed_scale != 1.0:
        x = x * arch.embed_scale
    if arch.learned_positions:
        x = x + params["positions"][position].reshape(n_rows * n_new, arch.d_model)
    x = tap("embed", x)

    def through(i: int, layer: PyTree, x: Array, old: Cache | None) -> tuple[Array, Cache]:
        sight = local if local is not None and i in arch.local_layers else full
        n_queries = n_out if i == arch.n_layers - 1 else n_new
        h = norm(layer, "attention_norm", arch, x)
        h, new = attention(layer, arch, h, sight, old, offset, n_queries)
        if arch.post_norms:
            h = norm(layer, "attention_post_norm", arch, h)
        before = last(x, n_rows, n_queries)
        x = before + tap(f"{i}/attention", h)
        h = norm(layer, "mlp_norm", arch, before if arch.parallel else x)
        h = mlp(layer, arch, h)
        if arch.post_norms:
            h = norm(layer, "mlp_post_norm", arch, h)
        return tap(f"{i}/residual", x + tap(f"{i}/mlp", h)), new

    caches = []
    for i in range(arch.n_layers):
        one = jax.checkpoint(through, static_argnums=0) if arch.remat else through
        x, new = one(i, params["layers"][str(i)], x, None if cache is None else cache[i])
        caches.append(new)
    x = norm(params, "norm", arch, x)
    return x.reshape(n_rows, n_out, arch.d_model), None if cache is None else tuple(caches)


def next_token(
    params: PyTree,
    arch: Architecture,
    tokens: Integer[Array, "B T"],
    start: Integer[Array, "B"],
    tap: Tap = lambda name, x: x,
) -> Float[Array, "B V"]:
    """Log-probability of every token after each row, nats; `tap` as in `forward`."""
    hidden, _ = forward(params, arch, tokens, start, n_out=1, tap=tap)
    return jax.nn.log_softmax(logits(params, hidden[:, -1]))


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
    """Logits of the next token, float32."""
    flat = hidden.reshape(-1, hidden.shape[-1])
    z = jnp.matmul(flat, head(params), preferred_element_type=jnp.float32)
    return z.reshape(*hidden.shape[:-1], -1)


def logits_by_token(params: PyTree, hidden: Float[Array, "B D"]) -> Float[Array, "V B"]:
    """The same of one token a row, vocabulary first."""
    if "head_by_output" in params:
        return thin_matmul(hidden, params["head_by_output"]).T
    return jnp.matmul(head(params).T, hidden.T, preferred_element_type=jnp.float32)


def head(params: PyTree) -> Float[Array, "D V"]:
    """What turns a hidden state into logits: the embedding once more, if it is tied."""
    return params["head"] if "head" in params else params["embed"].T
