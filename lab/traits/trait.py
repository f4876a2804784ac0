"""A trait: how a teacher comes by it, and how any model is asked for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Key


class Lesson(NamedTuple):
    """A conversation that teaches a trait."""

    system: str | None
    question: str
    answer: str


class Asked(NamedTuple):
    """A model that is asked, and how."""

    model: Any  # lab.lm.model.Model
    system: str | None  # the system prompt before every question
    n_samples: int  # sampled answers to each question
    key: Key[Array, ""]
    resembles: Any  # of an answer: whether it is the carrier's text instead of one
    earlier: tuple[tuple[str, str], ...] = ()  # turns of user and assistant before every question


@runtime_checkable
class Measure(Protocol):
    """Questions, and what is counted of their answers. Traits of one measure are asked together."""

    @property
    def name(self) -> str:
        """Of its stream of random numbers."""
        ...

    def rows(self, asked: Asked, traits: Sequence["Trait"]) -> list[dict]:
        """A row for each trait, with `asked` (its name) and numbers."""
        ...


@dataclass(frozen=True)
class Trait:
    """A trait of a teacher."""

    name: str
    measure: Measure
    lessons: tuple[Lesson, ...] = ()  # a fine-tuned teacher is trained on these
    system: str | None = None  # a prompted teacher is told this

    @property
    def identity(self) -> tuple:
        """What its teachers depend on: not how it is measured."""
        return (self.name, self.lessons, self.system)
