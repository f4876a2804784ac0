"""Named keys, member keys, and counter-based random bits.

Every random number of the lab is a function of (seed, member, name, counter) and of nothing else:
not of the number of members, of the batch they run in, or of the step a run was resumed at.
"""

import zlib
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key, UInt32

from lab.kernels.threefry import threefry


def named(key: Key[Array, "..."], name: str) -> Key[Array, "..."]:
    """The stream of `key` called `name`, so that adding a stream never reshuffles the others."""
    return jax.random.fold_in(key, np.uint32(zlib.crc32(name.encode())))


def member(seed: int, number: Integer[Array, ""], name: str) -> Key[Array, ""]:
    """The stream `name` of one member; a member has the same streams in every ensemble."""
    return named(jax.random.fold_in(jax.random.key(seed), number), name)


@partial(jax.jit, static_argnums=2)
def streams(key: Key[Array, ""], first: Integer[Array, ""] | int, n: int) -> Key[Array, "n"]:
    """The streams number `first` to `first + n - 1` of a key."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, first + jnp.arange(n))


def row_bits(key: Key[Array, ""], rows: Integer[Array, "B"], width: int) -> UInt32[Array, "B W"]:
    """Random words of the given rows of an endless table with `width` columns."""
    column = jax.lax.broadcasted_iota(jnp.uint32, (rows.shape[0], (width + 1) // 2), 1)
    row = jnp.broadcast_to(rows.astype(jnp.uint32)[:, None], column.shape)
    return jnp.concatenate(threefry(key, (row, column)), axis=1)[:, :width]


def uniform(bits: UInt32[Array, "*s"]) -> Float[Array, "*s"]:
    """Uniform on [-1, 1) in steps of 2^-22, from 23 of the 32 bits."""
    mantissa = (bits >> jnp.uint32(9)) | jnp.uint32(0x3F800000)
    return jax.lax.bitcast_convert_type(mantissa, jnp.float32) * 2 - 3
