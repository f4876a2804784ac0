"""A batch in parts that stay in a processor's cache, and shared out over devices."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree, Shaped

from lab import devices


def own_parts(
    steps: Shaped[Array, "S B"], n_devices: int, most_on_cpu: int, most: int = 0
) -> Shaped[Array, "S n b"]:
    """This device's share of every batch, in parts; filled up with rows 0 that do not count.

    Inside a program over a mesh with the axis `row`. A part has at most `most` rows; if that is 0,
    at most `most_on_cpu` on a CPU, and elsewhere all of them.
    """
    share = -(-steps.shape[1] // n_devices)
    size = min(share, most) if most else devices.at_once(share, most_on_cpu)
    share = -(-share // size) * size
    filled = jnp.pad(steps, ((0, 0), (0, n_devices * share - steps.shape[1])))
    parts = filled.reshape(len(steps), n_devices, share // size, size)
    return parts[:, jax.lax.axis_index(devices.ROW)]


def sum_over(fn: Callable[..., PyTree], parts: list[Shaped[Array, "n b"]]) -> PyTree:
    """The sum of a function over parts, one after another: `sum(fn(*p) for p in zip(*parts))`."""
    first, rest = [part[0] for part in parts], [part[1:] for part in parts]
    add = lambda so_far, part: (jax.tree.map(jnp.add, so_far, fn(*part)), None)
    return jax.lax.scan(add, fn(*first), rest)[0] if len(rest[0]) else fn(*first)
