"""Where the lab may write, and how: inside a root, through no link, beside and then renamed.

Names come from arguments and from files, and neither is trusted to stay inside.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lab.errors import LabError


def inside(root: Path, name: str | Path, remedy: str = "remove it") -> Path:
    """root / name, for a name below the root that leads through no symbolic link.

    The root itself is the user's choice and may be one. Raises `LabError` for an absolute name, one
    with "..", one that no file can have, and one with a link on the way, with its remedy.
    """
    relative = Path(name)
    if not relative.parts or relative.is_absolute() or ".." in relative.parts:
        raise LabError(f"path: {str(name)!r} does not lie inside {root}; use a name below it")
    path = Path(root)
    for part in relative.parts:
        path = path / part
        if is_link(path):
            raise LabError(f"path: {path} is a link, which is not followed; {remedy}")
    return path


def is_link(path: Path) -> bool:
    """Whether there is a link. Raises `LabError` for what no file can be called, or be seen at."""
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:  # too long a name, a byte of zero, no permission
        why = getattr(error, "strerror", None) or error
        raise LabError(f"path: {str(path)[:200]!r} names no file ({why}); use another") from error


def remove(path: Path) -> None:
    """Remove a file, a link (not what it leads to) or a folder with all that is in it, if there."""
    if not is_link(path) and path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def vacate(path: Path) -> None:
    """Remove what is in a file's place and is none: a link, a folder."""
    if is_link(path) or path.is_dir():
        remove(path)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write beside `path`, then rename: a reader never sees half a file, and no link is followed.

    If it fails, what was there is still there, and the error names the file.
    """
    with writing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """The same of what is written bit by bit: a file that is in its place once all is written."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)  # of a process that was killed, or a link
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def open_lock(path: Path) -> IO:
    """A file to lock, made if there is none, never emptied. Raises `LabError` for a link."""
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if path.is_symlink():
            raise LabError(f"path: {path} is a link, which is not followed; remove it") from error
        raise
    return os.fdopen(number, "r+b")
