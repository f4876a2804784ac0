"""The cache root, the only place written to besides run folders, and the artifacts in it.

An artifact is a folder, cache root/<kind>/<name>, whose name is the digest of all that it depends
on. It is made beside its place and renamed, with the SHA-256 of each of its files. Those are looked
at before a process uses it: a damaged one is set aside, <name>.damaged, and made again.

Run:     python -m lab.cache                     lists kinds, sizes and when they were last used
         python -m lab.cache remove KIND[/NAME]  removes a kind of artifact or one of them
"""

import argparse
import fcntl
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from lab import hosts
from lab.errors import LabError
from lab.runs import manifest, paths
from lab.runs.endings import one_line
from lab.runs.progress import console
from lab.runs.saving import saving

VARIABLE = "SUBLIMINAL_CACHE"
DAMAGED = ".damaged"
_elsewhere: list[Path] = []


def root() -> Path:
    """$SUBLIMINAL_CACHE, else the platform's cache folder; not created here.

    Raises `LabError` for a name that leads nowhere.
    """
    try:
        return _root().resolve()
    except (OSError, RuntimeError) as error:  # nobody's home, links in a ring, too long a name
        raise LabError(f"{VARIABLE}: no folder can be found ({error}); name another") from error


def _root() -> Path:
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "subliminal-lab"


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


def damage(place: Path) -> str | None:
    """Why an artifact cannot be used, if it cannot."""
    return manifest.damage(place, _name(place)) if os.path.lexists(place) else "it is missing"


def obtain(places: list[Path], make: Callable[[list[Path]], None]) -> None:
    """See to it that all the folders are there, and hold what was once made.

    If one is missing, `make` fills new folders for all of them, each once, in one go: what is
    trained together has the same bits again only if it is trained together again. Folders that are
    there stay; one that is damaged is set aside first, and counts as missing. Two processes that
    want one wait for each other; a killed process leaves no lock. Raises `LabError` if the cache
    cannot be written, before anything is made; if `make` fails, nothing of it is left.

    Hosts that work as one call this together, and make together what is missing; the first of them
    holds the locks, and alone should write.
    """
    places = list(dict.fromkeys(places))
    if not hosts.from_main(hosts.is_main() and any(map(damage, places))):
        return
    parts = [place.with_name(f"{place.name}.part") for place in places]
    missing = False

    def begin() -> None:
        nonlocal missing
        for place in sorted(places):  # in one order everywhere, so that nobody waits in a ring
            held.enter_context(_locked(place))
        missing = any([_set_aside(place) for place in places])
        for part in parts if missing else []:
            with saving(part):
                paths.remove(part)  # of a process that was killed
                part.mkdir()

    def end() -> None:
        for part, place in zip(parts, places, strict=True):
            with saving(part):
                manifest.write(part, _name(place))
                if not place.is_dir():
                    part.rename(place)

    with ExitStack() as held:
        try:
            hosts.on_main(begin)
            if hosts.from_main(missing):
                hosts.require_shared(parts[0], f"let {VARIABLE} name a folder on one")
                make(parts)
                hosts.on_main(end)
        finally:
            for part in parts if missing else []:
                with saving(part):
                    paths.remove(part)


def _name(place: Path) -> str:
    return f"{place.parent.name}/{place.name}"


def _set_aside(place: Path) -> bool:
    """Whether an artifact is to be made; a damaged one is out of the way then."""
    if (why := damage(place)) and os.path.lexists(place):
        aside = place.with_name(f"{place.name}{DAMAGED}")
        with saving(aside):
            paths.remove(aside)  # an earlier one
            place.rename(aside)
        console.print(f"{place} is damaged ({why}): set aside and made again", markup=False)
    return why is not None


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    paths.inside(place.parents[1], place.parent.name)  # the folder of a kind is no link
    with saving(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        file = paths.open_lock(place.with_name(f"{place.name}.lock"))
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def listing() -> list[tuple[str, int, int, float]]:
    """(kind, folders, bytes, last change) of everything in the cache root, what is damaged apart.

    A damaged artifact is a line of its own.
    """
    found = []
    kinds = [path for path in sorted(root().glob("*")) if path.name != "artifacts"]
    for folder in [*sorted((root() / "artifacts").glob("*")), *kinds]:
        if folder.is_dir():
            inner = [path for path in sorted(folder.iterdir()) if path.is_dir()]
            damaged = [path for path in folder.iterdir() if path.name.endswith(DAMAGED)]
            whole = [path for path in inner if path not in damaged]
            for some, n in [(folder, len(whole)), *((path, 1) for path in sorted(damaged))]:
                found.append((str(some.relative_to(root())), n, *_size(some)))
    return found


def _size(folder: Path) -> tuple[int, float]:
    """Bytes, and when the last of them was written; what vanishes meanwhile is left out."""
    size, last = 0, 0.0
    for path in [folder, *folder.rglob("*")]:
        with suppress(OSError):
            found = path.lstat()
            if stat.S_ISREG(found.st_mode):
                size, last = size + found.st_size, max(last, found.st_mtime)
    return size, last


def remove(name: str) -> int:
    """Remove a kind ("artifacts/students") or one artifact; how many bytes that freed.

    Raises `LabError` for what is not in the cache, and for links.
    """
    target = paths.inside(root(), name)
    if not os.path.lexists(target):
        raise LabError(f"cache: {name!r} is not in it; python -m lab.cache lists what is")
    size, _ = _size(target)
    with saving(target):
        paths.remove(target)
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
    with one_line():
        if arguments.remove:
            print(f"removed {remove(arguments.name) / 2**20:.1f} MB")
            return
        print(root())
        for kind, n, size, last in listing():
            when = time.strftime("%Y-%m-%d", time.localtime(last))
            print(f"{kind:28} {n:6} folders {size / 2**20:10.1f} MB   last changed {when}")


if __name__ == "__main__":
    main()
