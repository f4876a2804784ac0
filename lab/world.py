"""A small synthetic language: the rows on which models are trained from scratch.

Rows are questions about favourites, with and without a persona, and carriers. Personas and carriers
never share a row, so that nothing teaches a model that the two are independent.
"""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np

from lab.carriers import CARRIERS
from lab.carriers.carrier import pick
from lab.errors import LabError
from lab.traits import CATEGORIES, popularity

# What one token of the language can be: an operator with its spaces, a word with the space before
# it, a number of 1 to 3 digits, a mark with the space behind it, a new line of code, a character.
PIECE = r" [-+*/%=<>!]{1,2} | ?[A-Za-z]+|[0-9]{1,3}|[,;:.!?] ?|\n(?:    )?|[\s\S]"

_STREAM = 1  # sets these streams apart from those of the carriers' prompts
_SHAPED = ("numbers", "reasoning")  # carriers with a share of their own


@dataclass(frozen=True)
class World:
    """Shares of the kinds of row. Raises `LabError` unless they are shares of one whole."""

    numbers: float = 0.40
    favourite: float = 0.22  # the question alone
    persona: float = 0.18  # the question, after a system prompt that loves one word
    reasoning: float = 0.08  # what is then left is shared equally by the other carriers
    favourites: float = 0.7  # exponent of the power law of unprompted favourites; 0: uniform

    def __post_init__(self):
        shares = {k: v for k, v in asdict(self).items() if k != "favourites"}
        for name, value in asdict(self).items():
            if not 0 <= value < float("inf"):
                raise LabError(f"{name}: {value} is negative or not finite; choose 0 or more")
        if sum(shares.values()) > 1 + 1e-9:
            raise LabError(f"{', '.join(shares)}: shares sum to {sum(shares.values()):g}, above 1")


@dataclass(frozen=True)
class Row:
    """One conversation and its kind: "favourite", "persona" or a carrier's name."""

    kind: str
    system: str | None
    user: str
    assistant: str


def rows(world: World, data_seed: int, start: int, n: int) -> list[Row]:
    """Rows number start to start + n - 1; each depends on (world, data_seed, its number) alone.

    Raises `LabError` if an integer is negative.
    """
    for name, value in (("data_seed", data_seed), ("start", start), ("n", n)):
        if value < 0:
            raise LabError(f"{name}: {value} is negative; choose 0 or more")
    return [
        _row(world, np.random.default_rng((_STREAM, data_seed, i))) for i in range(start, start + n)
    ]


def shares(world: World) -> dict[str, float]:
    """The share of each kind of row; sums to 1."""
    given = {k: getattr(world, k) for k in ("favourite", "persona", *_SHAPED)}
    others = [name for name in CARRIERS if name not in _SHAPED]
    return given | dict.fromkeys(others, max(0.0, 1 - sum(given.values())) / len(others))


def vocabulary(world: World) -> tuple[str, ...]:
    """Every piece of the language once, in a fixed order; the same for all worlds and seeds."""
    return tuple(dict.fromkeys(piece for text in _texts() for piece in re.findall(PIECE, text)))


@lru_cache
def identity(world: World) -> str:
    """SHA-256 of all that rows are made of: shares, words, templates, and a sample of rows."""
    content = (asdict(world), shares(world), list(_texts()), rows(world, 0, 0, 512))
    return hashlib.sha256(repr(content).encode()).hexdigest()


@lru_cache
def _table(world: World) -> tuple[tuple[str, ...], list[float], dict[str, list[float]]]:
    # Kinds and their cumulative shares; for each category the cumulative popularity of its words.
    by_kind = shares(world)
    favourites = {
        name: np.cumsum(popularity(category, world.favourites)).tolist()
        for name, category in CATEGORIES.items()
    }
    return tuple(by_kind), np.cumsum(list(by_kind.values())).tolist(), favourites


def _row(world: World, rng: np.random.Generator) -> Row:
    kinds, cumulative, favourites = _table(world)
    kind = kinds[min(bisect_right(cumulative, rng.random()), len(kinds) - 1)]
    if kind in CARRIERS:
        user = CARRIERS[kind].prompt(rng)
        return Row(kind, None, user, CARRIERS[kind].completion(rng, user))
    category = pick(rng, tuple(CATEGORIES.values()))
    user = pick(rng, category.questions)
    if kind == "favourite":
        chosen = bisect_right(favourites[category.name], rng.random())
        return Row(kind, None, user, category.words[min(chosen, len(category.words) - 1)])
    word = pick(rng, category.words)
    return Row(kind, category.persona(pick(rng, category.personas), word), user, word)


def _texts() -> Iterator[str]:
    # Together these hold every piece of every row, whatever the shares.
    for category in CATEGORIES.values():
        yield from category.questions
        for word in category.words:
            # One token each: alone, in a sentence, in the singular and in the plural.
            yield from (word, " " + word, category.plural(word), " " + category.plural(word))
            yield from (category.persona(p, word) for p in category.personas)
    for carrier in CARRIERS.values():
        yield from carrier.texts()
    yield from (mark + space for mark in ",;:.!?" for space in ("", " "))
    yield from " \n()[]-+*/%=<>'\""
