"""What a result depends on besides its configuration. No host, user or absolute path."""

import importlib.metadata
import platform
import re
import resource
import subprocess
import sys
from pathlib import Path

import jax

from lab.errors import LabError

PACKAGES = ("subliminal-lab", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def collect() -> dict:
    """A sitting: commit, versions and devices of this process."""
    versions = {name: _version(name) for name in PACKAGES}
    return {
        "git": _git(),
        "packages": {"python": platform.python_version(), **versions},
        "device": {"kind": jax.devices()[0].device_kind, "count": jax.device_count()},
        "processes": jax.process_count(),
    }


def peak_memory_mb() -> int:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (2**20 if sys.platform == "darwin" else 2**10)


def require_clean(record: dict) -> None:
    """Raise `LabError` unless all of a record's sittings were at unchanged commits before HEAD."""
    again = "run it again with --fresh"
    for sitting in record["sittings"]:
        git = sitting["git"]
        if git is None:
            raise LabError(f"git: the run was made outside of a clone of the lab; {again} in one")
        at = git["commit"][:8]
        if git["dirty"]:
            raise LabError(f"git: the run was made on uncommitted changes to {at}; commit, {again}")
        try:
            if not re.fullmatch("[0-9a-f]{40,64}", git["commit"]):  # it may look like an option
                raise ValueError(git["commit"])
            _ask("merge-base", "--is-ancestor", git["commit"], "HEAD")
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise LabError(
                f"git: commit {at} of the run is not in the history of HEAD; merge it, or {again}"
            ) from error


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # the lab's files on the path, no more
        return "not installed"


def _git() -> dict | None:
    try:
        _ask("ls-files", "--error-unmatch", Path(__file__).name)  # not of who installed the lab
        return {"commit": _ask("rev-parse", "HEAD"), "dirty": bool(_ask("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _ask(*words: str) -> str:
    folder = Path(__file__).parent
    return subprocess.run(
        ("git", *words), cwd=folder, capture_output=True, text=True, check=True, timeout=5
    ).stdout.strip()
