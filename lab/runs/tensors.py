"""Arrays by name in one safetensors file: written whole or not at all, and checked when read."""

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from lab.errors import LabError
from lab.runs.paths import write_atomic
from lab.runs.saving import saving

Shape = tuple[int, ...]
_MOST_HEADER = 2**24  # bytes; a model of 10^12 parameters has less
_KINDS = ("F64", "F32", "F16", "BF16")


def write(path: Path, arrays: Mapping[str, np.ndarray], metadata: dict | None = None) -> None:
    """Write arrays as one file. Raises `LabError`, which names it, if that fails."""
    # safetensors 0.8.0 writes wrong bytes for arrays that are not contiguous.
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with saving(path):
        write_atomic(path, safetensors.numpy.save(whole, metadata))


def read(path: Path, remedy: str, shapes: Mapping[str, Shape] | None = None) -> dict:
    """The arrays of a file: all of them, or those of `shapes`.

    Raises `LabError`, which names the file and the remedy, for one that is missing or damaged, that
    lacks an array or has it in another shape (found before it is read), and for numbers that are no
    floats or not finite.
    """
    return dict(each(path, remedy, shapes))


def each(
    path: Path,
    remedy: str,
    shapes: Mapping[str, Shape] | None = None,
    dtype: type[np.floating] | None = None,
) -> Iterator[tuple[str, np.ndarray]]:
    """The same, one by one, so that no more than one is held; of another dtype if one is given.

    Raises `LabError` as `read`, also for numbers that are not finite in that dtype.
    """
    with _opened(path, remedy) as (file, refused):
        for name in file.keys() if shapes is None else shapes:
            part = file.get_slice(name)
            shape, kind = tuple(part.get_shape()), part.get_dtype()
            if shapes is not None and shape != shapes[name]:
                raise refused(f"has {name} in the shape {shape} and not {shapes[name]}")
            if kind not in _KINDS:
                raise refused(f"has {name} as {kind}, which is not supported")
            array = file.get_tensor(name)
            with np.errstate(over="ignore"):
                array = array if dtype is None else array.astype(dtype, copy=False)
            if not np.isfinite(array).all():
                raise refused(f"has numbers in {name} that are not finite as {array.dtype}")
            yield name, array


def names(path: Path, remedy: str) -> list[str]:
    """The names of the arrays of a file. Raises `LabError` for one that is missing or damaged."""
    with _opened(path, remedy) as (file, _):
        return list(file.keys())


@contextmanager
def _opened(path: Path, remedy: str) -> Iterator[tuple[Any, Callable[[str], LabError]]]:
    refused = lambda why: LabError(f"{path} {why}; {remedy}")
    try:
        _check_header(path)
        with safetensors.safe_open(path, "numpy") as file:
            yield file, refused
    except LabError:
        raise
    except OSError as error:
        raise refused(f"cannot be read ({error.strerror or error})") from error
    except Exception as error:  # what numpy says of a header's lies has many kinds
        reason = next(iter(str(error).splitlines()), type(error).__name__)[:120]
        raise refused(f"cannot be read ({reason})") from error


def _check_header(path: Path) -> None:
    """That the length of the header is one: it is read into memory."""
    if not path.is_file():
        raise FileNotFoundError(2, "No such file")
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
    if not 2 <= length <= min(_MOST_HEADER, path.stat().st_size - 8):
        raise ValueError(f"a header of {length} bytes")
