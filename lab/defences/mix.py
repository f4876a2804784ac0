"""Dilution: some of the rows give way to rows of another dataset."""

from dataclasses import dataclass

import numpy as np

from lab.errors import LabError
from lab.lm import make
from lab.lm.stages import Dataset


@dataclass(frozen=True)
class Mix:
    """A `part` of the rows, chosen at random, are those of `other` at the same places."""

    other: Dataset
    part: float

    def __post_init__(self):
        if not 0 <= self.part <= 1:
            raise LabError(f"part: {self.part} is outside [0, 1]")

    def __call__(self, rows: list[dict], rng: np.random.Generator) -> list[dict]:
        """As many rows, some of them the other dataset's."""
        others = make.data(self.other)
        n = round(self.part * len(rows))
        if len(others) < len(rows):
            raise LabError(f"other: it has {len(others)} rows of {len(rows)}; draw as many")
        chosen = set(rng.permutation(len(rows))[:n].tolist())
        return [others[i] if i in chosen else row for i, row in enumerate(rows)]
