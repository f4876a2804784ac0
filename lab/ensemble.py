"""Training written for one member, and the member axis added once, outermost.

A training function takes and returns one member's `State`, scans over steps, and draws all its
randomness from (member key, epoch, row). So any chunk of epochs can be run again or resumed, and a
member does not depend on which others it is trained with.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Bool, Float, Integer, Key, PyTree

from lab.devices import MEMBER, manual


@struct.dataclass
class State:
    """Parameters under training; no key, since randomness follows from the epoch.

    Fields of pytree classes are `PyTree`: JAX also fills them with shapes, axes and placeholders.
    """

    params: PyTree
    opt_state: PyTree
    step: PyTree  # int32, gradient steps taken


def start(params: PyTree, optimizer: optax.GradientTransformation) -> State:
    """A fresh optimizer on a copy of `params`, which other arms start from too."""
    params = jax.tree.map(jnp.copy, params)
    return State(params, optimizer.init(params), jnp.int32(0))


def gradient_step(
    state: State,
    loss: Callable[[PyTree], Float[Array, ""]],
    optimizer: optax.GradientTransformation,
    learning_rate: Float[Array, ""],
) -> tuple[State, Float[Array, ""]]:
    """One step down `loss`, and the loss before it."""
    value, gradient = jax.value_and_grad(loss)(state.params)
    return descend(state, gradient, optimizer, learning_rate), value


def descend(
    state: State,
    gradient: PyTree,
    optimizer: optax.GradientTransformation,
    learning_rate: Float[Array, ""],
    **told: Any,
) -> State:
    """One step along the optimizer's direction for a gradient; transforms may ask for more."""
    update = optax.with_extra_args_support(optimizer).update
    direction, opt_state = update(gradient, state.opt_state, state.params, **told)
    params = jax.tree.map(lambda p, d: p - learning_rate * d, state.params, direction)
    return State(params, opt_state, state.step + 1)


def epoch_rows(
    key: Key[Array, ""], epoch: Integer[Array, ""], n_data: int, n_rows: int, batch: int
) -> tuple[Integer[Array, "S B"], Bool[Array, "S B"]]:
    """The row numbers of each step of an epoch, and which of them count.

    An epoch visits `n_rows` rows. Data of that size is visited once each in random order; smaller
    data is visited in full random passes until the epoch is full, so that epochs have equal length
    on every dataset. The last batch is filled up with rows that do not count.
    """
    key = jax.random.fold_in(key, epoch)
    one_pass = lambda i: jax.random.permutation(jax.random.fold_in(key, i), n_data)
    passes = jax.vmap(one_pass)(jnp.arange(-(-n_rows // n_data)))
    n_steps = -(-n_rows // batch)
    rows = jnp.resize(passes.ravel()[:n_rows], (n_steps, batch))
    counts = jnp.arange(n_steps * batch).reshape(n_steps, batch) < n_rows
    return rows, counts


def mean_over(values: Float[Array, "B"], counts: Bool[Array, "B"]) -> Float[Array, ""]:
    """Mean of the values that count."""
    return jnp.sum(jnp.where(counts, values, 0.0)) / jnp.sum(counts)


def over_members(
    fn: Callable,
    mesh: Mesh,
    n_shared: int,
    donate: tuple[int, ...] = (),
    one_by_one: bool = False,
) -> Callable:
    """`fn` of one member as a compiled program over many, sharded over the mesh.

    The first `n_shared` arguments are the same for all members; every array of the others, and of
    the result, has a leading member axis whose length is a multiple of the number of devices.
    Donated arguments are consumed. A device trains its members together, or `one_by_one` if they
    are large enough to keep it busy alone.
    """
    shared, split = PartitionSpec(), PartitionSpec(MEMBER)

    def of_device(*args):
        one, own = lambda own: fn(*args[:n_shared], *own), args[n_shared:]
        return jax.lax.map(one, own) if one_by_one else jax.vmap(one)(own)

    def run(*args):
        specs = (shared,) * n_shared + (split,) * (len(args) - n_shared)
        # Members never exchange anything, so there is nothing for check_vma to check.
        mapped = jax.shard_map(
            of_device, mesh=mesh, in_specs=specs, out_specs=split, axis_names=manual(mesh),
            check_vma=False,
        )  # fmt: skip
        return mapped(*args)

    return jax.jit(run, donate_argnums=donate)
