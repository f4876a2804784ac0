"""What is wrong before anything of the lab is imported: packages mixed up, or settings of JAX.

The lab's packages have common names: none is mixed with another's, and none hides another's. The
__init__ of each of them runs this file by its path, as what Python calls `lab` may be another's by
then. So it imports nothing of ours, and looks for packages without importing them.
"""

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path


def require(package: str, *names: str) -> None:
    """Nothing, if Python finds what stands beside the folder `package` by its name and by `names`.

    Else one line: `python -m` prints it and ends with status 2, an import raises `ImportError`.
    """
    root = Path(package).resolve().parent
    for name in (Path(package).name, *names):
        ours = (root / name).resolve()
        for other in _places(name, root):
            if other != ours:
                _refuse(
                    f"{name}: {other} has the name of the lab's {ours}; rename it, or run this in "
                    "another folder"
                )


def require_jax() -> None:
    """Nothing, if JAX can be imported with what the environment sets; else one line, as above."""
    try:
        import jax  # noqa: F401
    except ValueError as error:  # a JAX_* variable of another type, or none of its choices
        _refuse(f"{' '.join(str(error).split())}; unset that environment variable (JAX_*)")


def _places(name: str, root: Path) -> Iterator[Path]:
    """Where Python finds `name`, and folders of Python files that it passes over for what is later.

    These are folders without __init__.py, before `root` on the path.
    """
    if spec := find_spec(name):
        for place in spec.submodule_search_locations or [spec.origin or ""]:
            yield Path(place).resolve()
    for entry in map(Path, sys.path):
        if entry.resolve() == root:
            return
        if any((entry / name).glob("*.py")):
            yield (entry / name).resolve()


def _refuse(message: str) -> None:
    if sys.argv[:1] != ["-m"]:  # what it is while `python -m` looks for its module
        raise ImportError(message)
    print(f"error: {message}", file=sys.stderr, flush=True)
    raise SystemExit(2)
