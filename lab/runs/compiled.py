"""Compiled programs kept on disk for later processes: those that changed there are compiled again.

JAX itself finds bytes that do not decompress, but leaves them there, and takes one program under
another's name for it. So a record beside the programs has their SHA-256.
"""

import atexit
import contextlib
import warnings
import zlib
from pathlib import Path

import jax

from lab.errors import LabError
from lab.runs import manifest, paths, records
from lab.runs.saving import saving

_ENDING = "-cache"  # of JAX's files


def keep(folder: Path) -> None:
    """Have JAX keep programs in a folder, once what changed in it is removed.

    Raises `LabError` if there can be no such folder.
    """
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
        review(folder)
    # A disk that is full costs time only.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    atexit.register(review, folder)


def review(folder: Path) -> None:
    """Remove what changed since it was recorded, and record what is new and can be unpacked.

    A process that was killed has recorded nothing of its own: what it wrote is new to the next one.
    """
    known: dict[str, str] = {}
    with contextlib.suppress(LabError):  # no record, or a damaged one
        known = records.read(folder / manifest.NAME, dict[str, str], "")
    found = {}
    for path in folder.glob(f"*{_ENDING}"):
        with contextlib.suppress(OSError):  # another process may have removed it
            name = path.name
            sound = path.is_file() and not path.is_symlink()
            sum_ = records.digest(path) if sound else ""
            if not sound or (known[name] != sum_ if name in known else not _unpacks(path)):
                paths.remove(path)
            else:
                found[name] = sum_
    if found != known:
        with contextlib.suppress(OSError):  # another process writes it, or it is read-only
            records.write(folder / manifest.NAME, dict(sorted(found.items())))


def _unpacks(path: Path) -> bool:
    data = path.read_bytes()
    if data[:1] != b"x":  # not zlib's: then zstandard is installed, and JAX uses that
        return bool(data)
    try:
        return bool(zlib.decompress(data))
    except zlib.error:
        return False
