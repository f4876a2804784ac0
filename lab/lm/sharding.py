"""One model on several devices: which axis of an array lies along which axis of the mesh.

The letters of the parameter table decide: what a layer reads and writes, D, is split along `fsdp`,
what is inside of it (heads, hidden units, vocabulary) along `tensor`. What devices exchange, the
compiler adds. An axis that cannot be split evenly is whole on each device.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from lab import devices
from lab.devices import FSDP, TENSOR
from lab.lm import spec
from lab.lm.model import Architecture

_AXES = {"D": FSDP, **dict.fromkeys("NKFV", TENSOR)}


def put(array: np.ndarray | Array, path: tuple[str, ...], arch: Architecture) -> Array:
    """The parameter at a path of a model's tree, each device of this group's with its share."""
    if devices.n_shards() == 1:
        return jnp.asarray(array)
    mesh = devices.own_mesh()
    return devices.put(array, NamedSharding(mesh, _table(arch, mesh)[path]))


def placed(params: PyTree, arch: Architecture) -> PyTree:
    """A model where it is used: whole on each of this host's devices, or the share of each."""
    if devices.n_shards() == 1:
        return devices.on_each(params)
    return jax.tree_util.tree_map_with_path(lambda path, x: put(x, _names(path), arch), params)


def constrained(tree: PyTree, arch: Architecture, mesh: Mesh) -> PyTree:
    """Inside a program over `mesh`: parameters, adapters and moments of them, split as they are."""
    if FSDP not in mesh.axis_names:
        return tree
    table = _table(arch, mesh)

    def split(path, x):
        wanted = table.get(_names(path))
        return x if wanted is None else jax.lax.with_sharding_constraint(x, wanted)

    return jax.tree_util.tree_map_with_path(split, tree)


def rows(tree: PyTree, mesh: Mesh) -> PyTree:
    """Inside a program over `mesh`: rows of a batch, shared out along `fsdp`."""
    if FSDP not in mesh.axis_names:
        return tree
    along = lambda x: FSDP if x.shape[0] % mesh.shape[FSDP] == 0 else None
    return jax.tree.map(
        lambda x: jax.lax.with_sharding_constraint(x, PartitionSpec(along(x))), tree
    )


def _names(path: tuple) -> tuple[str, ...]:
    """The names of dictionaries on a path: those before them are fields of a state."""
    return tuple(str(part.key) for part in path if isinstance(part, jax.tree_util.DictKey))


@lru_cache(maxsize=32)
def _table(arch: Architecture, mesh: Mesh) -> dict[tuple[str, ...], PartitionSpec]:
    """Of every parameter, and of the factors of its adapter."""

    def along(axis: str, size: int) -> str | None:
        name = _AXES.get(axis)
        return name if name is not None and size % mesh.shape[name] == 0 else None

    found = {}
    for p in spec.parameters(arch):
        axes = [along(axis, size) for axis, size in zip(p.axes, p.shape, strict=True)]
        if p.path == ("embed",):  # looked up row by row: only what a row holds is split
            axes[0] = None
        found[p.path] = PartitionSpec(*axes)
        if p.target:
            found[*p.path[:-1], "in"] = PartitionSpec(axes[0], None)
            found[*p.path[:-1], "out"] = PartitionSpec(None, axes[1])
    return found
