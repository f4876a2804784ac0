"""Start-up on one machine or several, and the mesh that members are sharded over."""

import math
import os

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from lab import cache, hosts
from lab.errors import LabError
from lab.runs import compiled

MEMBER, ROW = "member", "row"  # of programs: what devices have to do with each other is written
FSDP, TENSOR = "fsdp", "tensor"  # of one model: the compiler adds the exchange
_shards = {FSDP: 1, TENSOR: 1}
# On CPU a device that waits for another for 40 seconds ends the process. On a busy machine the
# other may have had no turn.
_PATIENCE = "--xla_cpu_collective_call_terminate_timeout_seconds"
_THREADS, _THREADS_EACH = "PJRT_NPROC", 4  # measured: 3 for two devices wait for ever, 4 do not


def start(cpu_devices: int = 1, shards: tuple[int, int] = (1, 1)) -> None:
    """Join the other hosts, if there are any, and keep compiled programs in the cache.

    With `cpu_devices` a CPU counts as several devices, a member each: models too small to keep two
    cores busy with one product train faster so.

    Several hosts: start the same command on each with JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES
    and JAX_PROCESS_ID set (clusters that JAX detects need only JAX_COORDINATOR_ADDRESS).

    With `shards` so many devices hold a language model together, along `fsdp` and along `tensor`:
    some of a host's, or all devices of some hosts.

    Raises `LabError`, which names the variable, for hosts, devices or a cache that there are not.
    """
    if os.environ.get("JAX_COORDINATOR_ADDRESS") and not jax.distributed.is_initialized():
        number = lambda name: int(os.environ[name]) if name in os.environ else None
        try:
            # It would catch SIGTERM, and nothing here asks it what to do then.
            jax.config.update("jax_enable_preemption_service", False)
            jax.distributed.initialize(
                num_processes=number("JAX_NUM_PROCESSES"), process_id=number("JAX_PROCESS_ID")
            )
        except (RuntimeError, ValueError, LookupError) as error:
            raise LabError(
                f"JAX_COORDINATOR_ADDRESS: no start-up with the other hosts ({_first(error)}); "
                "give it as host:port, and set JAX_NUM_PROCESSES and JAX_PROCESS_ID too"
            ) from error
    given = jax.config.values["jax_num_cpu_devices"]
    cpu_devices = _with_threads(cpu_devices if given < 1 else given)
    if cpu_devices > 1 and given < 1:
        jax.config.update("jax_num_cpu_devices", cpu_devices)
        flags = os.environ.get("XLA_FLAGS", "")
        if _PATIENCE not in flags:  # read when the first device is asked for
            os.environ["XLA_FLAGS"] = f"{flags} {_PATIENCE}=1200".strip()
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
    n = math.prod(shards)
    if own % n and (n % own or jax.device_count() % n):
        raise LabError(
            f"shards: {shards[0]} x {shards[1]} devices for a model do not divide the {own} that "
            "this host has, nor are they those of some hosts; use a divisor"
        )
    hosts.hold_together(max(1, n // own))
    _shards.update({FSDP: shards[0], TENSOR: shards[1]})


def _with_threads(cpu_devices: int) -> int:
    """How many devices there are threads for, which are asked for unless their number is given.

    A device blocks a thread while it waits for another one: with as many threads as devices, two
    programs in flight can leave none for the one that is waited for.
    """
    given = os.environ.get(_THREADS, "")
    if given.isdecimal():
        return max(1, min(cpu_devices, int(given) // _THREADS_EACH))
    if cpu_devices > 1:
        os.environ[_THREADS] = str(max(_THREADS_EACH * cpu_devices, os.cpu_count() or 1))
    return cpu_devices


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
    return _mesh({MEMBER: along_members, ROW: n // along_members}, _by_host())


def own_mesh() -> Mesh:
    """This group's devices along the axis `row`, those of one model along `fsdp` and `tensor`.

    The group is this host, unless several hold a model together.
    """
    which, n_groups = hosts.group()
    every = _by_host()
    n = len(every) // n_groups
    own = every[which * n : (which + 1) * n]
    return _mesh({ROW: len(own) // n_shards()}, own)


def _by_host() -> list:
    """All devices, in the order of hosts: those of a model are next to one another."""
    return sorted(jax.devices(), key=lambda device: device.process_index)


def _mesh(sizes: dict[str, int], of: list) -> Mesh:
    if n_shards() > 1:
        sizes = sizes | _shards
    placed = np.asarray(of).reshape(tuple(sizes.values()))
    return Mesh(placed, tuple(sizes), axis_types=(AxisType.Auto,) * len(sizes))


def manual(mesh: Mesh) -> set[str]:
    """The axes of a mesh along which programs say themselves what devices exchange."""
    return set(mesh.axis_names) - {FSDP, TENSOR}


def put(array, wanted: NamedSharding) -> jax.Array:
    """An array where it is wanted; each host has the whole of it, and puts what is its devices'."""
    if wanted.is_fully_addressable or not getattr(array, "is_fully_addressable", True):
        return jax.device_put(array, wanted)
    return jax.make_array_from_callback(array.shape, wanted, array.__getitem__)


def on_each(tree):
    """A tree of arrays, whole on each of this host's devices; else every call copies it there."""
    return jax.device_put(tree, NamedSharding(own_mesh(), PartitionSpec()))


def on_all(tree, mesh: Mesh):
    """Arrays that lie on a group's mesh, on one of all hosts: each group has the same of them."""
    if jax.process_count() == 1:
        return tree

    def one(x):
        if not isinstance(getattr(x, "sharding", None), NamedSharding):
            return x
        # A device is at the same place of a model in both meshes: it keeps its part.
        wanted = NamedSharding(mesh, x.sharding.spec)
        parts = [part.data for part in x.addressable_shards]
        return jax.make_array_from_single_device_arrays(x.shape, wanted, parts)

    return jax.tree.map(one, tree)


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
