"""What a result depends on besides its configuration. No host, user or absolute path."""

import importlib.metadata
import resource
import subprocess
import sys
from pathlib import Path

import jax

PACKAGES = ("subliminal-lab", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def collect() -> dict:
    """Versions, commit, devices and precision of this process."""
    return {
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "git": _git(),
        "device": {"kind": jax.devices()[0].device_kind, "count": jax.device_count()},
        "processes": jax.process_count(),
    }


def peak_memory_mb() -> int:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (2**20 if sys.platform == "darwin" else 2**10)


def _git() -> dict | None:
    def ask(*words: str) -> str:
        folder = Path(__file__).parent
        return subprocess.run(
            ("git", *words), cwd=folder, capture_output=True, text=True, check=True, timeout=5
        ).stdout.strip()

    try:
        return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(ask("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None
