"""Start-up on one machine or several, and the mesh that members are sharded over."""

import math
import os
from collections.abc import Callable

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.flatten_util import ravel_pytree
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from lab import cache
from lab.errors import LabError
from lab.runs import compiled

MEMBER, ROW = "member", "row"  # of programs: what devices have to do with each other is written
FSDP, TENSOR = "fsdp", "tensor"  # of one model: the compiler adds the exchange
_shards = {FSDP: 1, TENSOR: 1}


def start(cpu_devices: int = 1, shards: tuple[int, int] = (1, 1)) -> None:
    """Join the other hosts, if there are any, and keep compiled programs in the cache.

    With `cpu_devices` a CPU counts as several devices, a member each: models too small to keep two
    cores busy with one product train faster so.

    Several hosts: start the same command on each with JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES
    and JAX_PROCESS_ID set (clusters that JAX detects need only JAX_COORDINATOR_ADDRESS).

    With `shards` so many devices hold a language model together, along `fsdp` and along `tensor`.

    Raises `LabError`, which names the variable, for hosts, devices or a cache that there are not.
    """
    if os.environ.get("JAX_COORDINATOR_ADDRESS") and not jax.distributed.is_initialized():
        number = lambda name: int(os.environ[name]) if name in os.environ else None
        try:
            jax.distributed.initialize(
                num_processes=number("JAX_NUM_PROCESSES"), process_id=number("JAX_PROCESS_ID")
            )
        except (RuntimeError, ValueError, LookupError) as error:
            raise LabError(
                f"JAX_COORDINATOR_ADDRESS: no start-up with the other hosts ({_first(error)}); "
                "give it as host:port, and set JAX_NUM_PROCESSES and JAX_PROCESS_ID too"
            ) from error
    if cpu_devices > 1 and jax.config.values["jax_num_cpu_devices"] < 1:
        jax.config.update("jax_num_cpu_devices", cpu_devices)
    if jax.config.values["jax_compilation_cache_dir"] is None:
        compiled.keep(cache.root() / "compiled")
    try:
        jax.devices()
        own = jax.local_device_count()
    except (RuntimeError, AssertionError) as error:  # no such platform, or none of its devices
        asked = os.environ.get("JAX_PLATFORMS", "")
        raise LabError(
            f"JAX_PLATFORMS: no devices of {asked!r} ({_first(error)}); unset it, or name another"
        ) from error
    if own % math.prod(shards):
        raise LabError(
            f"shards: {shards[0]} x {shards[1]} devices for a model do not divide the {own} that "
            "this host has; use a divisor"
        )
    _shards.update({FSDP: shards[0], TENSOR: shards[1]})


def _first(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def matmul_precision(name: str):
    """A context in which float32 products are exact (float32) or may be rounded (tf32, bfloat16).

    Accelerators round float32 products by default; a result names what it was computed with.
    """
    precision = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": "default"}[name]
    return jax.default_matmul_precision(precision)


def n_shards() -> int:
    """How many devices hold one model together."""
    return math.prod(_shards.values())


def mesh(n_members: int | None = None) -> Mesh:
    """All devices of all hosts along the axis `member`.

    For fewer members than devices, those that are left share a member's rows along the axis `row`.
    Where several hold one model together, they are along `fsdp` and `tensor`.
    """
    n = jax.device_count() // n_shards()
    most = n if n_members is None else min(n, n_members)
    along_members = max(i for i in range(1, most + 1) if n % i == 0)
    return _mesh({MEMBER: along_members, ROW: n // along_members}, jax.devices())


def own_mesh() -> Mesh:
    """This host's devices along the axis `row`, those of one model along `fsdp` and `tensor`."""
    own = jax.local_devices()
    return _mesh({ROW: len(own) // n_shards()}, own)


def _mesh(sizes: dict[str, int], of: list) -> Mesh:
    if n_shards() > 1:
        sizes = sizes | _shards
    return jax.make_mesh(
        tuple(sizes.values()), tuple(sizes), devices=of, axis_types=(AxisType.Auto,) * len(sizes)
    )


def manual(mesh: Mesh) -> set[str]:
    """The axes of a mesh along which programs say themselves what devices exchange."""
    return set(mesh.axis_names) - {FSDP, TENSOR}


def on_each(tree):
    """A tree of arrays, whole on each of this host's devices; else every call copies it there."""
    return jax.device_put(tree, NamedSharding(own_mesh(), PartitionSpec()))


def sum_over_rows(tree):
    """Inside a program over a mesh: the sum over the devices that share a member's rows.

    All arrays as one: on CPU an exchange costs as much as a small layer does.
    """
    if jax.lax.axis_size(ROW) == 1:
        return tree
    flat, as_tree = ravel_pytree(tree)
    return as_tree(jax.lax.psum(flat, ROW))


def described() -> list:
    """What sums may depend on: the devices and the version of JAX."""
    return [jax.__version__, jax.default_backend(), jax.device_count(), jax.process_count()]


def at_once(n_rows: int, on_cpu: int) -> int:
    """How many rows a device takes at a time: on CPU so few that what they need stays in cache."""
    return min(n_rows, on_cpu) if jax.default_backend() == "cpu" else n_rows


def is_main() -> bool:
    """Whether this process is the one that writes."""
    return jax.process_index() == 0


def n_hosts() -> int:
    """Number of processes that train together."""
    return jax.process_count()


def from_main(value: bool) -> bool:
    """The first process's value, on every process."""
    return (
        value if n_hosts() == 1 else bool(multihost_utils.broadcast_one_to_all(np.asarray(value)))
    )


def on_main(action: Callable[[], None]) -> None:
    """Do something on the first process while the others wait; if it fails, all of them fail."""
    failure: Exception | None = None
    if is_main():
        try:
            action()
        except (LabError, OSError) as error:
            failure = error
    if not from_main(failure is None):
        raise failure or LabError("out: the first process failed; see its message")


def gather(tree):
    """A tree of arrays sharded over hosts as numpy arrays, whole on each host."""
    if n_hosts() > 1:
        return multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(np.asarray, tree)
