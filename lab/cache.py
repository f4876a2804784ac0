"""The cache root: the only place written to besides run folders."""

import os
import sys
from pathlib import Path

VARIABLE = "SUBLIMINAL_CACHE"


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
    return base / "subliminal-lab"
