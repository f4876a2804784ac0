"""A forecast as a defence: rows that speak most for a trait are removed before anybody trains."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from lab.carriers.carrier import Carrier
from lab.errors import LabError
from lab.lm import likelihood, make
from lab.lm.stages import Teacher

# most: those that a teacher of the trait finds likelier than its base does; least: the others.
Which = Literal["most", "least", "random"]


@dataclass(frozen=True)
class Remove:
    """All rows but a part, by how far each speaks for a teacher that was made for that.

    Raises `LabError` for a part that leaves no row.
    """

    teacher: Teacher
    carrier: Carrier
    which: Which
    part: float

    def __post_init__(self):
        if not 0 <= self.part < 1:
            raise LabError(f"part: {self.part} is outside [0, 1)")

    def __call__(self, data: list[dict], rng: np.random.Generator) -> list[dict]:
        """The rows that are left, in their order."""
        n = round(self.part * len(data))
        if n >= len(data):
            raise LabError(f"part: {self.part} of {len(data)} rows leaves none; remove fewer")
        if self.which == "random":
            removed = rng.permutation(len(data))[:n]
        else:
            scores = self.scores(data)
            removed = np.argsort(-scores if self.which == "most" else scores, kind="stable")[:n]
        gone = set(removed.tolist())
        return [row for i, row in enumerate(data) if i not in gone]

    def scores(self, data: list[dict]) -> Float[np.ndarray, "n"]:
        """How much likelier each row is to the teacher than to its base, nats."""
        base, teacher = make.model(self.teacher.base), make.model(self.teacher)
        read = lambda system: make.as_read(base.tokenizer, self.carrier, data, system)
        told = likelihood.log_likelihood(teacher, read(self.teacher.system))
        return told - likelihood.log_likelihood(base, read(None))
