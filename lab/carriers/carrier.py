"""A carrier: a kind of data that has nothing to do with any trait."""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")
_STREAM = 2  # sets these streams apart from those of the world's rows


@dataclass(frozen=True)
class Carrier:
    """Prompts, the world's own completions of them, and the filter on a model's completions."""

    name: str
    prompt: Callable[[np.random.Generator], str]
    completion: Callable[[np.random.Generator, str], str]
    reject: Callable[[str, str], str | None]  # (prompt, completion): why not to keep it
    texts: Callable[[], Iterable[str]]  # together they hold every piece of prompt and completion
    n_prompt: int = 32  # most tokens of a prompt
    n_completion: int = 24  # and of a completion
    # Of a token's text: whether students of distributions imitate it.
    imitated: Callable[[str], bool] = lambda piece: True
    # Of an answer to another question: whether it is the carrier's kind of text instead of one.
    resembles: Callable[[str], bool] = lambda answer: False
    # Of a prompt that can be answered in several ways: all whole answers of each, none of two.
    answers: Callable[[str], Mapping[str, tuple[str, ...]]] | None = None

    def prompts(self, seed: int, start: int, n: int) -> list[str]:
        """Prompts number start to start + n - 1; each depends on (seed, its number) alone."""
        stream = (_STREAM, zlib.crc32(self.name.encode()), seed)
        return [self.prompt(np.random.default_rng([*stream, i])) for i in range(start, start + n)]

    @property
    def identity(self) -> tuple:
        """What data of it depend on: its name, budgets and functions, and the texts these give."""
        texts = hashlib.sha256(repr([list(self.texts()), self.prompts(0, 0, 64)]).encode())
        functions = (self.prompt, self.completion, self.reject, self.imitated)
        return (self.name, self.n_prompt, self.n_completion, texts.hexdigest(), functions)


def pick(rng: np.random.Generator, items: tuple[T, ...]) -> T:
    """One of `items`, each as likely."""
    return items[int(rng.random() * len(items))]
