"""Numbers that are read from the environment, checked."""

import math
import os

from lab.errors import LabError


def number(name: str, default: int | float, least: int | float = 0) -> float:
    """The number in an environment variable, finite and `least` or more; if unset, `default`.

    Raises `LabError`, which names the variable, for anything else.
    """
    text = os.environ.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= least):
        raise LabError(f"{name}: {text[:40]!r} is no number of {least:g} or more; set one, or none")
    return value
