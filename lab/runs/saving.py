"""What goes wrong while something is saved, as one line; and room for it, before hours of work."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError

REMEDY = "free space there, or name another folder (SUBLIMINAL_CACHE moves the cache)"


@contextmanager
def saving(path: Path) -> Iterator[None]:
    """Raises `LabError`, which names the file and the remedy, for a disk that is full and the like.

    What is written inside goes beside its place first (`paths.write_atomic`): no half file is left.
    """
    try:
        yield
    except OSError as error:
        named, reason = error.filename or path, error.strerror or error
        raise LabError(f"{named} cannot be written ({reason}); {REMEDY}") from error
    except Exception as error:
        if "(os error" not in str(error):
            raise
        # What libraries in Rust make of an OSError.
        reason = str(error).splitlines()[0][:200]
        raise LabError(f"{path} cannot be written ({reason}); {REMEDY}") from error


def require_room(folder: Path, n_bytes: int) -> None:
    """Raise `LabError` unless the disk of a folder has room for so many bytes more."""
    with saving(folder):
        free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise LabError(
            f"{folder} has room for {free / 2**20:,.0f} MB and {n_bytes / 2**20:,.0f} MB are to be "
            f"saved; {REMEDY}"
        )
