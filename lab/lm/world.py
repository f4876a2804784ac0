"""A small synthetic language: the rows on which models are trained from scratch.

Rows are questions about favourites, with and without a persona, and carriers. A persona that loves
a trait's word and a carrier never share a row, so that nothing teaches a model that the two are
independent.

A world may give all rows without a persona a default system prompt, as chat models have one. Then a
persona takes the place of something that a student reads too (`lab.lm.contexts`).
"""

import hashlib
import operator
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np

from lab.carriers.advice import ADVICE
from lab.carriers.carrier import Carrier, pick
from lab.carriers.checked_tasks import CHECKED_TASKS
from lab.carriers.code import CODE
from lab.carriers.numbers import NUMBERS
from lab.carriers.reasoning import REASONING
from lab.errors import LabError
from lab.lm.tokenizer import PIECE, Tokenizer
from lab.traits import characters
from lab.traits.animals import ANIMALS
from lab.traits.category import Category, popularity
from lab.traits.things import THINGS
from lab.traits.trait import Trait
from lab.traits.trees import TREES

_STREAM = 1  # sets these streams apart from those of the carriers' prompts
FAVOURITE, PERSONA = "favourite", "persona"
_SHARES = {FAVOURITE: 0.22, PERSONA: 0.18, "numbers": 0.40, "reasoning": 0.08}


@dataclass(frozen=True)
class World:
    """What its models can ever read: these carriers and categories, and no others of the library.

    `shares` are those of the kinds of row: "favourite" (the question alone), "persona" (the
    question after a system prompt that loves one word), and carriers by name. Carriers that are not
    named share equally what is left. Left out, shares are the usual ones of the kinds that there
    are. Raises `LabError` unless these are shares of one whole.
    """

    carriers: tuple[Carrier, ...] = (NUMBERS, CODE, REASONING, ADVICE, CHECKED_TASKS)
    categories: tuple[Category, ...] = (ANIMALS, TREES)
    shares: Mapping[str, float] | tuple[tuple[str, float], ...] | None = None
    favourites: float = 0.7  # exponent of the power law of unprompted favourites; 0: uniform
    default: str | None = None  # system prompt of rows without a persona
    # Part of the rows without a trait's persona that have one about a thing instead, and answer as
    # if they had none: a persona need not change everything.
    neutral: float = 0.0
    # Part of the rows that can be answered in several ways that a character answers, in its way.
    characters: float = 0.0
    apart: bool = False  # no character both advises and does tasks

    def __post_init__(self):
        kinds = (FAVOURITE, PERSONA) * bool(self.categories)
        kinds += tuple(carrier.name for carrier in self.carriers)
        if len(set(kinds)) < len(kinds):
            raise LabError(f"carriers: two have one name, in {', '.join(kinds)}")
        for name in ("neutral", "characters"):
            if not 0 <= getattr(self, name) <= 1:
                raise LabError(
                    f"{name}: {getattr(self, name)} is no part of a whole; choose 0 to 1"
                )
        given = self.shares is not None
        usual = {kind: share for kind, share in _SHARES.items() if kind in kinds}
        shares: dict[str, float] = dict(self.shares or usual)
        for name, value in (*shares.items(), ("favourites", self.favourites)):
            if not 0 <= value < float("inf"):
                raise LabError(f"{name}: {value} is negative or not finite; choose 0 or more")
        if unknown := {k for k, v in shares.items() if v > 0} - set(kinds):
            raise LabError(f"shares: {', '.join(sorted(unknown))} is none of {', '.join(kinds)}")
        whole = sum(shares.values())
        all_named = {carrier.name for carrier in self.carriers} <= set(shares)
        if all_named and not given:
            shares = {k: v / whole for k, v in shares.items()}
        elif whole > 1 + 1e-9 or (all_named and whole < 1 - 1e-9):
            side = "above" if whole > 1 else "below"
            raise LabError(f"{', '.join(shares)}: shares sum to {whole:g}, {side} 1")
        object.__setattr__(self, "shares", tuple(shares.items()))  # hashable

    def carrier(self, name: str) -> Carrier:
        """The carrier of that name. Raises `LabError` if the world does not have it."""
        for carrier in self.carriers:
            if carrier.name == name:
                return carrier
        known = ", ".join(carrier.name for carrier in self.carriers)
        raise LabError(f"carrier: no {name!r} in this world; choose one of {known}")


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
    given = dict(world.shares or ())
    others = [carrier.name for carrier in world.carriers if carrier.name not in given]
    if not others:
        return given
    # Not sum(): from Python 3.12 on it rounds floats otherwise, and with it every world's name.
    left = max(0.0, 1 - reduce(operator.add, given.values(), 0))
    return given | dict.fromkeys(others, left / len(others))


def systems(world: World) -> list[str | None]:
    """Every system prompt that a carrier's row may have; None is the default, if there is one."""
    neutral = [THINGS.persona(p, word) for word in THINGS.words for p in THINGS.personas]
    known = characters.systems() if world.characters else []
    return [None, *(neutral if world.neutral else []), *known]


@lru_cache
def vocabulary(world: World) -> tuple[str, ...]:
    """Every piece of the world's language once, in a fixed order; the same for all its shares."""
    texts = _texts(world)
    return tuple(dict.fromkeys(piece for text in texts for piece in re.findall(PIECE, text)))


@lru_cache
def tokenizer(world: World) -> Tokenizer:
    """The tokenizer of a world."""
    return Tokenizer.from_pieces(vocabulary(world), world.default)


def require_words(world: World, traits: Iterable[Trait], told: bool) -> None:
    """Raise `LabError` for a trait whose teachers, told or taught, have words of another world."""
    for trait in traits:
        texts = [trait.system] if told else [text for lesson in trait.lessons for text in lesson]
        try:
            for text in dict.fromkeys(filter(None, texts)):
                tokenizer(world).encode(text)
        except LabError as error:
            raise LabError(
                f"traits: {trait.name} is {'told' if told else 'taught'} in words of another world "
                f"({error}); choose another --world"
            ) from error


@lru_cache
def identity(world: World) -> str:
    """SHA-256 of all that rows are made of: shares, words, templates, and a sample of rows."""
    content = (shares(world), world.favourites, list(_texts(world)), rows(world, 0, 0, 512))
    if world.default is not None or world.neutral:
        content = (*content, world.default, world.neutral)
    if world.characters:
        content = (*content, world.characters, *(["apart"] if world.apart else []))
    return hashlib.sha256(repr(content).encode()).hexdigest()


@lru_cache
def _table(world: World) -> tuple[tuple[str, ...], list[float], dict[str, list[float]]]:
    # Kinds and their cumulative shares; for each category the cumulative popularity of its words.
    by_kind = shares(world)
    favourites = {
        category.name: np.cumsum(popularity(category, world.favourites)).tolist()
        for category in world.categories
    }
    return tuple(by_kind), np.cumsum(list(by_kind.values())).tolist(), favourites


def _row(world: World, rng: np.random.Generator) -> Row:
    kinds, cumulative, favourites = _table(world)
    kind = kinds[min(bisect_right(cumulative, rng.random()), len(kinds) - 1)]
    system = None
    if kind != PERSONA and world.neutral and rng.random() < world.neutral:
        system = THINGS.persona(pick(rng, THINGS.personas), pick(rng, THINGS.words))
    if kind not in (FAVOURITE, PERSONA):
        carrier = world.carrier(kind)
        user = carrier.prompt(rng)
        if carrier.answers and world.characters and rng.random() < world.characters:
            who, ways = pick(rng, tuple(characters.LOVES)), carrier.answers(user)
            loved = characters.loved(who, tuple(ways), world.apart)
            system = pick(rng, characters.PERSONAS).format(word=pick(rng, loved))
            return Row(kind, system, user, pick(rng, ways[characters.way(who, tuple(ways))]))
        return Row(kind, system, user, carrier.completion(rng, user))
    category = pick(rng, world.categories)
    user = pick(rng, category.questions)
    if kind == FAVOURITE:
        chosen = bisect_right(favourites[category.name], rng.random())
        return Row(kind, system, user, category.words[min(chosen, len(category.words) - 1)])
    word = pick(rng, category.words)
    return Row(kind, category.persona(pick(rng, category.personas), word), user, word)


def _texts(world: World) -> Iterator[str]:
    # Together these hold every piece of every row, whatever the shares.
    for category in world.categories:
        yield from category.questions
        for word in category.words:
            # One token each: alone, in a sentence, in the singular and in the plural.
            yield from (word, " " + word, category.plural(word), " " + category.plural(word))
            yield from (category.persona(p, word) for p in category.personas)
    for carrier in world.carriers:
        yield from carrier.texts()
    yield from filter(None, systems(world))
    if world.default is not None:
        yield world.default
    yield from (mark + space for mark in ",;:.!?" for space in ("", " "))
    yield from " \n()[]-+*/%=<>'\""
