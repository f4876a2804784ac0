"""A second filter: keep the rows that pass."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lab.errors import LabError


@dataclass(frozen=True)
class Keep:
    """The rows whose (prompt, completion) pass. Raises `LabError` if none does."""

    passes: Callable[[str, str], bool]

    def __call__(self, rows: list[dict], rng: np.random.Generator) -> list[dict]:
        """The rows that are kept, in their order."""
        kept = [row for row in rows if self.passes(row["prompt"], row["completion"])]
        if not kept:
            raise LabError("steps: the second filter keeps no row; use a weaker one")
        return kept
