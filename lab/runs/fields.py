"""Rules for the fields of a configuration, stated where the field is: Annotated[int, Count(1)].

A configuration checks itself when it is made (`__post_init__ = check`), and so on a command line,
from a record and in Python alike: before anything is trained, by the name of the field.
"""

import dataclasses
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from lab.errors import LabError

INT32 = 2**31 - 1
_TINY, _HUGE = 2.0**-126, 3.4e38  # normal numbers of float32, on which training computes


@dataclass(frozen=True)
class Count:
    """An integer in a range; the ends belong to it."""

    least: int = 1
    most: int = INT32

    def __contains__(self, value: int) -> bool:
        return self.least <= value <= self.most

    def __str__(self):
        return f"{self.least:,} to {self.most:,}"


@dataclass(frozen=True)
class Real:
    """A number in a range that float32 can hold; the ends do not belong to it unless it says so."""

    above: float = 0.0
    below: float = math.inf
    zero: bool = False  # whether 0 is legal
    last: bool = False  # whether `below` is

    def __contains__(self, value: int | float) -> bool:
        if value == 0:
            return self.zero
        if value == self.below:
            return self.last
        return self.above < value < self.below and _TINY <= abs(value) <= _HUGE

    def __str__(self):
        low = f"{self.above:g}" if self.above or self.zero else f"{_TINY:.2g}"
        high = f"{'' if self.last else 'less than '}{self.below:g}"
        high = high if self.below < _HUGE else f"{_HUGE:g}"
        return f"{low} to {high}"


@dataclass(frozen=True)
class Members:
    """Member numbers: a count ("8") or a range ("0:20")."""

    below: int = 2**31  # member numbers
    most: int = 1_000_000  # members, since every one has a row

    def __contains__(self, text: str) -> bool:
        low, high = span(text)
        return 0 <= low < high <= self.below and high - low <= self.most

    def __str__(self):
        return (
            f"a count (8) or a range (0:20) of at most {self.most:,} members below {self.below:,}"
        )


def span(text: str) -> tuple[int, int]:
    """First and last + 1 of a count or a range, (0, 0) if it is neither."""
    first, colon, last = text.rpartition(":")
    plain = lambda part: part.isascii() and part.isdecimal() and len(part) <= 12
    if not plain(last) or (colon and not plain(first)):
        return 0, 0
    return int(first or 0), int(last)


FRACTION = Real(0.0, 1.0, zero=True)
Parts = tuple[Annotated[float, Real(0.0, 1.0)], ...]  # of one whole, neither nothing nor all
SEED = Count(0, 2**32 - 1)


@dataclass(frozen=True)
class Items:
    """So many items, each different if `unique`; a rule of the items stands at their type."""

    least: int = 1
    most: int = 1000
    unique: bool = False

    def __contains__(self, value: tuple) -> bool:
        several = len(set(value)) == len(value) or not self.unique
        return several and self.least <= len(value) <= self.most

    def __str__(self):
        return f"{self.least} to {self.most} of them{', each once' if self.unique else ''}"


def check(config: Any) -> None:
    """Raise `LabError` for the first field whose value is not of its type, or breaks its rule.

    A whole number where a field holds real ones becomes one, so that equal configurations are
    written, and named, alike.
    """
    for name, kind, rules in _fields(type(config)):
        value = getattr(config, name)
        for problem in _problems(value, kind, rules):
            raise LabError(f"{name}: {_said(value)} is not {problem}")
        if (real := _real(value, kind)) is not value:
            object.__setattr__(config, name, real)  # frozen, but still being made


def require(config: Any, *needs: tuple[bool, str, str]) -> None:
    """`check`, then what fields need of each other: (met, field, what it has to be)."""
    check(config)
    for met, name, said in needs:
        if not met:
            value = config
            for part in name.split("."):
                value = getattr(value, part)
            raise LabError(f"{name}: {_said(value)} is not {said}")


@cache
def _fields(kind: type) -> tuple[tuple[str, Any, tuple], ...]:
    """(name, type, rules) of every field; a subclass that says no rule keeps its parent's."""
    found: dict[str, tuple[Any, tuple]] = {}
    for owner in reversed(kind.__mro__):
        if dataclasses.is_dataclass(owner):
            hints = typing.get_type_hints(owner, include_extras=True)
            for name in inspect.get_annotations(owner):
                plain, rules = _split(hints[name])
                found[name] = plain, rules or found.get(name, (None, ()))[1]
    return tuple((f.name, *found[f.name]) for f in dataclasses.fields(kind))


def _split(hint: Any) -> tuple[Any, tuple]:
    if typing.get_origin(hint) is typing.Annotated:
        plain, *rules = typing.get_args(hint)
        return plain, tuple(rule for rule in rules if hasattr(rule, "__contains__"))
    return hint, ()


def _problems(value: Any, kind: Any, rules: tuple) -> Iterator[str]:
    """What a value is not, its type first."""
    if (kind := _present(value, kind)) is None:
        return
    plain, more = _split(kind)
    rules = (*rules, *more)
    origin = typing.get_origin(plain)
    if origin is Literal:
        if value not in typing.get_args(plain):
            yield f"one of {', '.join(map(str, typing.get_args(plain)))}"
        return
    if origin is tuple:
        if not isinstance(value, tuple):
            yield "a tuple"
            return
        yield from (str(rule) for rule in rules if value not in rule)
        for item in value:
            yield from _problems(item, typing.get_args(plain)[0], ())
        return
    of_type: Callable[[Any], bool] | None = _TYPES.get(plain)
    if of_type is not None and not of_type(value):
        yield _NAMES[plain]
        return
    yield from (str(rule) for rule in rules if value not in rule)


def _present(value: Any, kind: Any) -> Any:
    """The type of a value that may be None; None where it is, or where there are several types."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        inner = [one for one in typing.get_args(kind) if one is not types.NoneType]
        return None if value is None or len(inner) > 1 else inner[0]
    return kind


def _real(value: Any, kind: Any) -> Any:
    """The value itself, or with floats for the whole numbers of a float or a tuple of them."""
    if (kind := _present(value, kind)) is None:
        return value
    plain, _ = _split(kind)
    if plain is float and type(value) is int:
        return float(value)
    if typing.get_origin(plain) is tuple:
        items = tuple(_real(item, typing.get_args(plain)[0]) for item in value)
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value


_integer = lambda value: isinstance(value, int) and not isinstance(value, bool)
_TYPES: dict[Any, Callable[[Any], bool]] = {
    int: _integer,
    float: lambda value: _integer(value) or isinstance(value, float),
    bool: lambda value: isinstance(value, bool),
    str: lambda value: isinstance(value, str),
}
_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}


def _said(value: Any) -> str:
    try:
        text = str(value)
    except ValueError:  # thousands of digits
        return "a number of thousands of digits"
    return f"{text[:60]}..." if len(text) > 60 else text or "an empty word"
