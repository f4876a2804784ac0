"""The cache root, the only place written to besides run folders, and the artifacts in it.

An artifact is a folder, cache root/<kind>/<name>, whose name is the digest of all that it depends
on. It is made beside its place and renamed, so that what is there is whole.

Run:     python -m lab.cache                     lists kinds, sizes and when they were last used
         python -m lab.cache remove KIND[/NAME]  removes a kind of artifact or one of them
"""

import argparse
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab.errors import LabError

VARIABLE = "SUBLIMINAL_CACHE"
_elsewhere: list[Path] = []


def root() -> Path:
    """$SUBLIMINAL_CACHE, else the platform's cache folder; not created here."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser().resolve()
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return (base / "subliminal-lab").resolve()


def artifacts() -> Path:
    """Where artifacts are: a folder of the cache root, or the one of `artifacts_in`."""
    return _elsewhere[-1] if _elsewhere else root() / "artifacts"


@contextmanager
def artifacts_in(folder: Path) -> Iterator[None]:
    """Find and make artifacts in another folder: an empty one, to make everything again."""
    _elsewhere.append(folder)
    try:
        yield
    finally:
        _elsewhere.pop()


def obtain(places: list[Path], make: Callable[[list[Path]], None]) -> None:
    """See to it that all the folders are there.

    If one is missing, `make` fills new folders for all of them, each once, in one go: what is
    trained together has the same bits again only if it is trained together again. Folders that are
    there stay. Two processes that want one wait for each other; a killed process leaves no lock.
    """
    places = list(dict.fromkeys(places))
    if all(place.is_dir() for place in places):
        return
    with ExitStack() as held:
        for place in sorted(places):  # in one order everywhere, so that nobody waits in a ring
            held.enter_context(_locked(place))
        if all(place.is_dir() for place in places):
            return
        parts = [place.with_name(f"{place.name}.part") for place in places]
        for part in parts:
            shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
            part.mkdir()
        make(parts)
        for part, place in zip(parts, places, strict=True):
            if place.is_dir():
                shutil.rmtree(part)
            else:
                part.rename(place)


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def listing() -> list[tuple[str, int, int, float]]:
    """(kind, folders, bytes, last change) of everything in the cache root."""
    found = []
    kinds = [path for path in sorted(root().glob("*")) if path.name != "artifacts"]
    for folder in [*sorted((root() / "artifacts").glob("*")), *kinds]:
        if folder.is_dir():
            files = [path.stat() for path in folder.rglob("*") if path.is_file()]
            n = sum(path.is_dir() for path in folder.iterdir())
            size, last = sum(f.st_size for f in files), max((f.st_mtime for f in files), default=0)
            found.append((str(folder.relative_to(root())), n, size, last))
    return found


def remove(name: str) -> int:
    """Remove a kind ("artifacts/students") or one artifact; how many bytes that freed.

    Raises `LabError` for what is not in the cache.
    """
    target = (root() / name).resolve()
    inside = target != root() and target.is_relative_to(root())
    if not inside or not target.is_dir():
        raise LabError(f"cache: {name!r} is not in it; python -m lab.cache lists what is")
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    shutil.rmtree(target)
    return size


def main() -> None:
    """List, or remove."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("remove", nargs="?", choices=["remove"])
    parser.add_argument("name", nargs="?", help="as listed, or one artifact in it")
    arguments = parser.parse_args()
    if bool(arguments.remove) != bool(arguments.name):
        parser.error("remove needs a name")
    try:
        if arguments.remove:
            print(f"removed {remove(arguments.name) / 2**20:.1f} MB")
            return
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(root())
    for kind, n, size, last in listing():
        when = time.strftime("%Y-%m-%d", time.localtime(last))
        print(f"{kind:28} {n:6} folders {size / 2**20:10.1f} MB   last changed {when}")


if __name__ == "__main__":
    main()
