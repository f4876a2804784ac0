"""Several processes that work as one: who writes, and what all of them agree on.

All take the same steps in the same order, as each waits for the others in every program of theirs.
So what one alone can know (a clock, a lock, whether a file is there) the first decides for all.
They share their folders: what the first one writes, the others read. A model that is too large for
the devices of one host lies on a group of hosts, which then do the same rows together.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Integer

from lab.errors import LabError

T = TypeVar("T", bool, int)
_group = [1]  # how many hosts hold one model together


def count() -> int:
    """Number of processes that train together."""
    return jax.process_count()


def hold_together(n: int) -> None:
    """From now on so many hosts, those of one model, are one to `share` and `joined`."""
    _group[0] = n


def group() -> tuple[int, int]:
    """Which group of hosts this process belongs to, of how many."""
    return jax.process_index() // _group[0], count() // _group[0]


def is_main() -> bool:
    """Whether this process is the one that writes."""
    return jax.process_index() == 0


def from_main(value: T) -> T:
    """The first process's value, a truth or a whole number, on every process."""
    if count() == 1:
        return value
    return type(value)(multihost_utils.broadcast_one_to_all(np.asarray(value)))


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


def require_shared(folder: Path, remedy: str) -> None:
    """Raise `LabError` on every process if one of them does not see a folder of the first's."""
    if count() > 1 and not np.all(multihost_utils.process_allgather(np.asarray(folder.is_dir()))):
        raise LabError(f"{folder} is not on a file system that all hosts share; {remedy}")


def share(n_rows: int) -> Integer[np.ndarray, "n"]:
    """The rows of this group, equally many for each: the last one fills up the last parts."""
    own, n_groups = group()
    n = -(-n_rows // n_groups)
    return np.minimum(own * n + np.arange(n), n_rows - 1)


def joined(own: np.ndarray, n_rows: int) -> np.ndarray:
    """The rows of every group's `share`, without what filled them up."""
    if group()[1] > 1:
        every = multihost_utils.process_allgather(own)[:: _group[0]]
        own = every.reshape(-1, *own.shape[1:])
    return own[:n_rows]


def whole(tree):
    """A tree of arrays that this process can read: those that lie on several hosts, gathered."""
    if count() == 1:
        return tree
    far = lambda x: isinstance(x, jax.Array) and not x.is_fully_addressable
    gathered = lambda x: multihost_utils.process_allgather(x, tiled=True) if far(x) else x
    return jax.tree.map(gathered, tree)


def gather(tree):
    """A tree of arrays sharded over hosts as numpy arrays, whole on each host."""
    return jax.tree.map(np.asarray, whole(tree))
