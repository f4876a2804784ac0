"""Trees of arrays on disk: orbax for run state, safetensors for parameters that others read."""

import shutil
from pathlib import Path

import jax
import numpy as np
import safetensors.numpy
from flax import traverse_util

from lab import devices
from lab.errors import LabError


def save(folder: Path, tree) -> None:
    """Write `tree` to the new folder `folder`; every host takes part.

    Raises `LabError` if it cannot be written.
    """
    from orbax.checkpoint.experimental import v1 as ocp  # slow to import

    delete(folder.with_name(f"{folder.name}.orbax-checkpoint-tmp"))  # of a process that was killed
    try:
        ocp.save(str(folder.resolve()), tree, overwrite=True)
    except Exception as error:  # orbax and tensorstore raise many kinds
        raise LabError(
            f"out: {folder} cannot be written ({_cause(error)}); free space and run it again"
        ) from error


def restore(folder: Path, like):
    """The tree in `folder`, with the structure, types and shardings of `like`.

    Raises `LabError` if it cannot be read or does not fit.
    """
    from orbax.checkpoint.experimental import v1 as ocp

    abstract = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like
    )
    try:
        return ocp.load(str(folder.resolve()), abstract)
    except Exception as error:  # orbax and tensorstore raise many kinds
        raise LabError(
            f"checkpoint: {folder} is damaged or from another version ({_cause(error)}); "
            f"rerun with --fresh to start over"
        ) from error


def _cause(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:120]


def delete(folder: Path) -> None:
    """Remove a checkpoint, if it is there."""
    if devices.is_main():
        shutil.rmtree(folder, ignore_errors=True)


def save_parameters(path: Path, params) -> None:
    """Nested dicts of numpy arrays as one safetensors file, named like "teacher/dense_0/kernel"."""
    flat = traverse_util.flatten_dict(params, sep="/")
    # safetensors 0.8.0 writes wrong bytes for arrays that are not contiguous.
    arrays = {name: np.ascontiguousarray(array) for name, array in flat.items()}
    if devices.is_main():
        part = path.with_name(path.name + ".part")
        safetensors.numpy.save_file(arrays, part)
        part.replace(path)


def load_parameters(path: Path):
    """The nested dicts of numpy arrays that `save_parameters` wrote."""
    try:
        return traverse_util.unflatten_dict(safetensors.numpy.load_file(path), sep="/")
    except (OSError, safetensors.SafetensorError) as error:
        raise LabError(f"{path} cannot be read ({error}); rerun with --snapshots") from error
