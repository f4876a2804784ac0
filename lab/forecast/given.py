"""What a person gives to a forecast: rows and their carrier, a base, and candidate traits."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import msgspec

from lab.carriers.carrier import Carrier, pick
from lab.errors import LabError
from lab.lm import given
from lab.lm.contexts import WORLDS, Name
from lab.lm.reference import Reference
from lab.lm.setup import Setup
from lab.lm.stages import Base
from lab.lm.tokenizer import Tokenizer
from lab.traits import category
from lab.traits.category import Category
from lab.traits.measures import Judged
from lab.traits.trait import Lesson, Trait

ANY = "any"


def base(name: str, world: str) -> Base:
    """A Hugging Face folder, a hub id, or the number of one of the lab's references of a world.

    Raises `LabError` if there is none.
    """
    if world not in WORLDS:
        raise LabError(f"world: no {world!r}; choose one of {', '.join(get_args(Name))}")
    if name.isdecimal():
        return Reference(int(name), Setup().pretraining, WORLDS[world], "stored")
    return given.checkpoint(name, "base")


def carrier(
    rows: Sequence[dict[str, str]], known: Sequence[Carrier], tokenizer: Tokenizer, name: str | None
) -> Carrier:
    """The one whose filter keeps all rows, or the one of that name; "any" has no filter.

    Raises `LabError` if no filter does.
    """
    by_name = {one.name: one for one in known}
    if name == ANY:
        return _any(rows, tokenizer)
    if name is not None and name not in by_name:
        raise LabError(f"carrier: no {name!r}; choose one of {', '.join(by_name)}, {ANY}")
    for one in known if name is None else [by_name[name]]:
        if all(_kept(one, row) for row in rows):
            return one
    if name is None:
        raise LabError(f"rows: no carrier's filter keeps all of them; give --carrier {ANY}")
    raise LabError(f"rows: the filter of {name} drops some of them; give --carrier {ANY}")


def _kept(one: Carrier, row: dict[str, str]) -> bool:
    try:
        return one.reject(row["prompt"], row["completion"]) is None
    except LabError:  # a prompt of another carrier
        return False


def _any(rows: Sequence[dict[str, str]], tokenizer: Tokenizer) -> Carrier:
    """A carrier without a filter, with room for the longest of the rows."""
    longest = lambda part, mark: 8 + max(len(tokenizer.encode(row[part])) for row in rows) + mark
    said = {row["prompt"]: row["completion"] for row in rows}
    return Carrier(
        ANY,
        lambda rng: pick(rng, tuple(said)),
        lambda rng, prompt: said[prompt],
        _keep,
        lambda: (text for row in rows for text in row.values()),
        n_prompt=longest("prompt", 8),
        n_completion=longest("completion", 1),
    )


def _keep(prompt: str, completion: str) -> str | None:
    return None


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    """A line of a file of candidates."""

    name: str
    system: str | None = None
    lessons: list[tuple[str, str]] = []


def traits(
    categories: Sequence[Category], chosen: Sequence[str] | None, path: Path | None
) -> list[Trait]:
    """The words of categories, of all or the chosen ones, or those that a file describes.

    A line of it is {"name": ..., "system": ...} or {"name": ..., "lessons": [[question, answer],
    ...]}, or both. Raises `LabError` for an unknown category, and for a line that is neither.
    """
    if path is None:
        known = {one.name: one for one in categories}
        for name in chosen or ():
            if name not in known:
                raise LabError(f"category: no {name!r}; choose from {', '.join(known)}")
        return list(category.every(known[name] for name in chosen or known))
    found = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"candidates: {path} cannot be read ({error}); name a file") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                one = msgspec.json.decode(line, type=_Written)
            except msgspec.MsgspecError as error:
                raise LabError(f"{path}: line {number}: {error}; mend it") from error
            if not (one.system or one.lessons):
                raise LabError(f"{path}: line {number} has neither system nor lessons; add one")
            lessons = tuple(Lesson(None, *pair) for pair in one.lessons)
            found.append(Trait(one.name, _UNASKED, lessons, one.system))
    if len({one.name for one in found}) < max(2, len(found)):
        raise LabError(f"{path}: names must differ, and be two or more; mend it")
    return found


_UNASKED = Judged("unasked", (), lambda *_: 0.0)  # of candidates whose answers nobody measures
