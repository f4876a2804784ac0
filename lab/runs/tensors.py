"""Arrays by name in one safetensors file: written whole or not at all, and checked when read."""

import json
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors

from lab.errors import LabError
from lab.runs.paths import writing
from lab.runs.saving import saving

Shape = tuple[int, ...]
_MOST_HEADER = 2**24  # bytes; a model of 10^12 parameters has less
_KINDS = ("F64", "F32", "F16", "BF16")


# numpy's names of types (those of ml_dtypes among them) as the format has them.
_WRITTEN = {
    **{f"float{n}": f"F{n}" for n in (16, 32, 64)},
    **{f"int{n}": f"I{n}" for n in (8, 16, 32, 64)},
    "bfloat16": "BF16",
    "bool": "BOOL",
}


class Later(NamedTuple):
    """An array that is asked for when its turn to be written comes, and let go after it."""

    shape: Shape
    dtype: np.dtype
    make: Callable[[], np.ndarray]

    @property
    def nbytes(self) -> int:
        """Its bytes in a file."""
        return math.prod(self.shape) * self.dtype.itemsize


def write(path: Path, arrays: Mapping[str, Any], metadata: dict | None = None) -> None:
    """Write arrays, some of them perhaps `Later`, as one file, with the bytes of safetensors' own.

    That has no way to write arrays one by one. Raises `LabError`, which names the file, if it
    cannot be written.
    """
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    at = 0
    for name in order:
        array, begin = arrays[name], at
        at += array.nbytes
        header[name] = {"dtype": _WRITTEN[array.dtype.name], "shape": list(array.shape),
                        "data_offsets": [begin, at]}  # fmt: skip
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with saving(path), writing(path) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(_bytes(name, arrays[name]))


def _bytes(name: str, array: Any) -> memoryview:
    whole = array.make() if isinstance(array, Later) else array
    if (whole.shape, whole.dtype) != (tuple(array.shape), array.dtype):
        raise ValueError(f"{name}: {whole.shape} of {whole.dtype} is not what was said")
    return np.ascontiguousarray(whole).reshape(-1).view(np.uint8).data


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
