"""Completions drawn token by token, with cached keys and values and one random stream per row.

Rows are drawn in slots that they take in turn (`lab.lm.slots`). Small models on a CPU draw them
part after part instead: the last bits of a row's sums depend on the program, and the committed
tables were drawn by this one.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from jaxtyping import Array, Bool, Float, Int, Integer, Key, PyTree

from lab import devices, hosts
from lab.errors import LabError
from lab.kernels.inverse_cdf import inverse_cdf
from lab.lm import transformer
from lab.lm.model import Architecture
from lab.lm.slots import Slots, in_slots, on_accelerator, quarterly

ROWS_ON_CPU = 64  # drawn together; measured: a fifth faster than 512
SMALL = 10_000_000  # fewer parameters


class _Progress(NamedTuple):
    step: Int[Array, ""]
    last: Int[Array, "B"]
    ended: Bool[Array, "B"]
    tokens: Int[Array, "B C"]
    cache: tuple[transformer.Cache, ...] | None


def drawn(
    params: PyTree,
    arch: Architecture,
    prompts: Integer[np.ndarray, "B P"],
    start: Integer[np.ndarray, "B"],
    keys: Key[Array, "B"],
    *args,
    **options,
) -> Integer[np.ndarray, "B C"]:
    """`sample`, its rows shared out over all groups of hosts; whole on each host."""
    own = hosts.share(len(start))
    some = jnp.asarray(prompts[own]), jnp.asarray(start[own]), keys[own]
    found = hosts.gather(sample(params, arch, *some, *args, **options))
    return hosts.joined(found, len(start))


@partial(jax.jit, static_argnums=(1, 5, 6), static_argnames=("top_k", "top_p", "slots"))
def sample(
    params: PyTree,
    arch: Architecture,
    prompts: Integer[Array, "B P"],
    start: Integer[Array, "B"],
    keys: Key[Array, "B"],
    n_new: int,
    end: int | tuple[int, ...],
    temperature: Float[Array, ""] | float = 1.0,
    *,
    top_k: int = 0,
    top_p: float = 1.0,
    slots: Slots | None = None,
) -> Int[Array, "B C"]:
    """At most `n_new` tokens after each left-padded prompt; after the token `end` only more of it.

    Of several end tokens each one ends a row, and is written as the first of them. The whole
    vocabulary is sampled from, or what `top_k` and `top_p` leave of it (`likely`). A row's tokens
    depend on its prompt and its key alone, not on the rows beside it, up to the rounding of sums.
    Rows are shared out over the group's devices, each of which has `slots` (None: as suits it).
    """
    if top_k < 0 or not 0 < top_p <= 1:
        raise LabError(
            f"top_k: {top_k}, top_p: {top_p}: one is 0 (all tokens) or more, the other above 0 and "
            "at most 1 (all tokens)"
        )
    ends = end if isinstance(end, tuple) else (end,)
    mesh, n_rows = devices.own_mesh(), len(start)
    n_shares = mesh.shape[devices.ROW]
    share = -(-n_rows // n_shares)
    slots = slots or _suited(params, arch, prompts.shape[1], n_new)
    size = 1 if slots else min(share, ROWS_ON_CPU)
    # Copies of the last row fill up the parts, and are dropped again.
    which = jnp.minimum(jnp.arange(-(-share // size) * size * n_shares), n_rows - 1)

    def of_device(params, temperature, prompts, start, keys):
        cut = partial(likely, top_k=top_k, top_p=top_p)
        token = partial(_token, params, ends, temperature, cut)
        if slots:
            draw = lambda hidden, row, step: token(hidden, keys[row], step)
            return in_slots(params, arch, n_new, ends[0], draw, slots, prompts, start)
        parts = (x.reshape(-1, size, *x.shape[1:]) for x in (prompts, start, keys))
        one = partial(_of_part, params, arch, n_new, ends[0], token)
        return jax.lax.map(one, tuple(parts)).reshape(-1, n_new)

    shared, split = PartitionSpec(), PartitionSpec(devices.ROW)
    drawn = jax.shard_map(
        of_device, mesh=mesh, in_specs=(shared, shared, split, split, split), out_specs=split,
        axis_names=devices.manual(mesh), check_vma=False,
    )(params, temperature, prompts[which], start[which], keys[which])  # fmt: skip
    return drawn[:n_rows]


def _suited(params: PyTree, arch: Architecture, n_prompt: int, n_new: int) -> Slots | None:
    """Slots of a device for a model; None: parts instead."""
    if jax.default_backend() != "cpu":
        return on_accelerator(arch, n_prompt, n_new, str(params["embed"].dtype))
    return None if transformer.n_parameters(params) < SMALL else quarterly(ROWS_ON_CPU)


def _token(
    params: PyTree,
    ends: tuple[int, ...],
    temperature: Float[Array, ""] | float,
    cut: Callable[[Float[Array, "V B"]], Float[Array, "V B"]],
    hidden: Float[Array, "B D"],
    keys: Key[Array, "B"],
    step: Int[Array, "B"],
) -> Int[Array, "B"]:
    """The token of each row's step."""
    # Vocabulary first: all that is summed over it then runs over whole rows of numbers.
    z = transformer.logits_by_token(params, hidden) / temperature
    uniform = jax.vmap(lambda k, step: jax.random.uniform(jax.random.fold_in(k, step)))(keys, step)
    token = inverse_cdf(cut(jnp.exp(z - jnp.max(z, axis=0, keepdims=True))), uniform)
    for other in ends[1:]:
        token = jnp.where(token == other, ends[0], token)
    return token


def _of_part(
    params: PyTree,
    arch: Architecture,
    n_new: int,
    end: int,
    token: Callable[..., Int[Array, "B"]],
    rows: tuple[Integer[Array, "B P"], Integer[Array, "B"], Key[Array, "B"]],
) -> Int[Array, "B C"]:
    """All rows of a part side by side, until the last has ended."""
    prompts, start, keys = rows
    n_rows, n_prompt = prompts.shape
    cache = transformer.empty_cache(arch, n_rows, n_prompt + n_new, params["embed"].dtype)
    draw = lambda hidden, step: token(hidden, keys, jnp.full(n_rows, step))

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


def likely(weights: Float[Array, "V B"], top_k: int, top_p: float) -> Float[Array, "V B"]:
    """Weights of tokens, 0 for those that are not drawn from; what is as likely as the last stays.

    First the `top_k` likeliest are kept (0: all), then of these the fewest whose share is `top_p`.
    """
    if top_k:
        best, _ = jax.lax.top_k(weights.T, min(top_k, len(weights)))
        weights = jnp.where(weights >= best[:, -1][None], weights, 0.0)
    if top_p < 1:
        falling = jnp.sort(weights, axis=0, descending=True)
        share = jnp.cumsum(falling, axis=0)
        # A token is kept if those before it are not enough; the first one always.
        kept = (share - falling < top_p * share[-1:]).at[0].set(True)
        least = jnp.min(jnp.where(kept, falling, jnp.inf), axis=0, keepdims=True)
        weights = jnp.where(weights >= least, weights, 0.0)
    return weights
