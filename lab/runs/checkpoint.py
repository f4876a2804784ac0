"""Trees of arrays on disk: orbax for run state, safetensors for parameters that others read."""

import contextlib
import hashlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import jax
from flax import traverse_util

from lab import hosts
from lab.errors import LabError
from lab.runs import paths, records, tensors


def save(folder: Path, tree) -> None:
    """Write `tree` to the new folder `folder`; every host takes part.

    Raises `LabError` if it cannot be written; then nothing of it is left.
    """
    from orbax.checkpoint.experimental import v1 as ocp  # slow to import

    part = folder.with_name(f"{folder.name}.orbax-checkpoint-tmp")
    delete(part)  # of a process that was killed
    try:
        with _quiet():
            ocp.save(str(folder.resolve()), tree, overwrite=True)
    except Exception as error:  # orbax and tensorstore raise many kinds
        delete(part)
        delete(folder)
        raise LabError(
            f"out: {folder} cannot be written ({_cause(error)}); put that right and run it again"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Orbax logs the stack of each of its threads before it raises what they raised.

    After a failure they stay quiet: other threads of it go on for a while, and log what they meet.
    """
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio", "orbax")]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    yield
    for logger, was in zip(loggers, before, strict=True):
        logger.disabled = was


def digest(folder: Path) -> str:
    """SHA-256 of the names and contents of all files of a checkpoint; links are not followed."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            found.append([name, "neither a file nor a folder"])
        elif path.is_file():
            found.append([name, records.digest(path)])
    return hashlib.sha256(repr(found).encode()).hexdigest()


def restore(folder: Path, like):
    """The tree in `folder`, with the structure, types and shardings of `like`.

    Raises `LabError` if it cannot be read or does not fit.
    """
    from orbax.checkpoint.experimental import v1 as ocp

    abstract = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like
    )
    try:
        with _quiet():
            return ocp.load(str(folder.resolve()), abstract)
    except Exception as error:  # orbax and tensorstore raise many kinds
        raise LabError(
            f"checkpoint: {folder} is damaged or from another version ({_cause(error)}); "
            f"rerun with --fresh to start over"
        ) from error


def _cause(error: Exception) -> str:
    first = next(iter(str(error).splitlines()), type(error).__name__)
    return re.sub(r'"/[^"]*":? ?', "", first)[:200]  # the reason comes after long names of files


def delete(folder: Path) -> None:
    """Remove a checkpoint, if it is there; what cannot be removed stays for the next one."""
    if hosts.is_main():
        with contextlib.suppress(OSError):
            paths.remove(folder)


def save_parameters(path: Path, params) -> None:
    """Nested dicts of numpy arrays as one safetensors file, named like "teacher/dense_0/kernel"."""
    flat: dict = traverse_util.flatten_dict(params, sep="/")
    if hosts.is_main():
        tensors.write(path, flat)


def load_parameters(path: Path):
    """The nested dicts of numpy arrays that `save_parameters` wrote."""
    return traverse_util.unflatten_dict(tensors.read(path, "rerun with --snapshots"), sep="/")
