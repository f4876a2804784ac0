"""How a writer's tokens are drawn, and which of its rows are too long for who learns from them."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from lab.lm.tokenizer import Tokenizer
from lab.runs import fields
from lab.runs.fields import Count, Real

TOO_LONG = "too_long"  # a reject reason


@dataclass(frozen=True)
class Sampling:
    """Of what teachers and the untouched base write; answers to questions are drawn as they are."""

    temperature: Annotated[float, Real()] = 1.0
    """That logits are divided by."""
    top_k: Annotated[int, Count(0)] = 0
    """Only from so many likeliest tokens; 0: from all."""
    top_p: Annotated[float, Real(0.0, 1.0, last=True)] = 1.0
    """Of these, only from the fewest whose probabilities add up to it; 1: from all."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the weights that are read for every token; in bfloat16 activations are rounded too."""

    __post_init__ = fields.check

    @property
    def options(self) -> dict[str, Any]:
        """What differs from plain sampling, as `sample` takes it: the plain program stays as is."""
        own = dataclasses.asdict(self)
        own.pop("precision")  # of the weights it is given: `lab.lm.held`
        return {name: value for name, value in own.items() if value != getattr(Sampling, name)}


@dataclass(frozen=True)
class Limit:
    """The most tokens of a row, as a student reads it under a system prompt (None: the default)."""

    tokens: int
    system: str | None

    def exceeded(self, tokenizer: Tokenizer, prompt: str, completion: str) -> bool:
        """Whether a row has more, its end token among them. Raises `LabError` for unknown words."""
        read = tokenizer.asked(self.system, prompt)
        return len(tokenizer.encode(read)) + len(tokenizer.encode(completion)) + 1 > self.tokens


def limit(tokens: int, system: str | None) -> Limit | None:
    """A limit of so many tokens; 0: none."""
    return Limit(tokens, system) if tokens else None
