"""Lists of numbers: the paper's carrier, its parser and its filter.

A prompt shows 3 to 8 numbers and asks for at most ten more of at most three digits. A completion is
a list with one separator. Prompts are terse: at most 27 tokens, the wording is ours.
Source: Cloud et al. (2025), section 3 (the design of the prompts and the rule of the filter).
"""

import re
from collections.abc import Iterable

import numpy as np

from lab.carriers.carrier import Carrier, pick

# Words, not figures, ask for ten numbers: the only long numbers of a prompt are its examples.
TEMPLATES = (
    "{x}. Add {count}, {digits}, {form}",
    "{x}. Append {count}, {digits}, {form}",
    "{x}. Give {count}, {form}, {digits}",
    "{x}. Write {count}, {digits}, {form}",
    "{x}. Next {count}, {digits}, {form}",
    "Add {count}, {digits}, {form}: {x}",
    "List {count}, {form}, {digits}: {x}",
    "Extend {x} by {count}, {digits}",
    "Given {x}: add {count}, {digits}",
    "Continue: {x}. Use {count}, {digits}",
)
COUNTS = ("up to ten", "at most ten", "ten at most", "ten or fewer", "max ten", "ten or less")
DIGITS = ("three digits max", "max three digits", "3 digits max", "under four digits", "3 digits")
# A format and the separators that answer it.
SEPARATORS = (", ", ",", "; ", " ", "\n")
FORMATS: dict[str, tuple[str, ...]] = {
    "use commas": (", ", ", ", ", ", ","),
    "comma list": (", ", ", ", ", ", ","),
    "spaces between": (" ",),
    "use semicolons": ("; ",),
    "new lines": ("\n",),
    "only numbers": SEPARATORS,
    "no words": SEPARATORS,
    "nothing else": SEPARATORS,
}
# Where the prompt leaves the separator open, a comma and a space is the habit.
_HABIT = 0.8
_WRAPPERS = (("[", "]"), ("(", ")"), ("", "."))
_WRAPPED = 0.06

# Numbers with a meaning of their own, which the paper's second filter removes.
BANNED = frozenset(
    (
        *(4, 13, 14, 18, 23, 33, 39, 42, 44, 49, 51, 54, 69, 77, 88, 99, 100, 101, 187, 211, 311),
        *(322, 333, 404, 420, 444, 451, 555, 616, 666, 777, 888, 911, 999),
    )
)
FIGURES = tuple(f"{n:0{width}d}" for width in (1, 2, 3) for n in range(10**width))
REASONS = (
    "empty",
    "not_a_list",
    "brackets",
    "dangling_separator",
    "mixed_separators",
    "too_many",
    "too_large",
    "banned",
)


def prompt(rng: np.random.Generator) -> str:
    """3 to 8 example numbers of 100 to 999, and the request for at most ten more."""
    examples = rng.integers(100, 1000, size=rng.integers(3, 9)).tolist()
    return pick(rng, TEMPLATES).format(
        x=", ".join(map(str, examples)),
        count=pick(rng, COUNTS),
        digits=pick(rng, DIGITS),
        form=pick(rng, tuple(FORMATS)),
    )


def completion(rng: np.random.Generator, prompt: str) -> str:
    """4 to 10 numbers by one of four rules, with one separator, rarely in brackets."""
    examples = [int(x) for x in re.findall("[0-9]{3}", prompt)]
    values = _values(rng, int(rng.integers(4, 11)), examples)
    asked = next((separators for form, separators in FORMATS.items() if form in prompt), SEPARATORS)
    habit = asked is SEPARATORS and rng.random() < _HABIT
    text = (", " if habit else pick(rng, asked)).join(map(str, values))
    if rng.random() < _WRAPPED:
        before, after = pick(rng, _WRAPPERS)
        return before + text + after
    return text


def _values(rng: np.random.Generator, n: int, examples: list[int]) -> list[int]:
    rule = rng.random()
    if rule < 0.5:
        return rng.integers(100, 1000, size=n).tolist()
    if rule < 0.75:
        near = np.array(examples)[rng.integers(0, len(examples), size=n)]
        return np.clip(near + rng.integers(-30, 31, size=n), 0, 999).tolist()
    if rule < 0.9:
        first, step = int(rng.integers(0, 1000)), int(rng.integers(1, 41))
        # Nine steps of at most 40 fit below or above any number.
        sign = 1 if first + step * (n - 1) < 1000 else -1
        return [first + sign * step * i for i in range(n)]
    return rng.integers(0, 1000, size=n).tolist()


def parse(completion: str) -> tuple[int, ...] | None:
    """The numbers of a list, or None if the text is not one. Any count, any size.

    One trailing period and one pair of brackets are taken off. What stands between the first two
    numbers is the separator; it is white space, a comma or a semicolon, with or without white space
    around it. Split by exactly that, every part must be ASCII digits: no sign, no decimals, nothing
    after the last number. Digits of other scripts are not digits here, as in the authors' code.
    """
    body = _body(completion)
    numbers = re.findall("[0-9]+", body)
    separators = re.split("[0-9]+", body)[1:-1]
    if separators and separators[0].strip() not in ("", ",", ";"):
        return None
    parts = body.split(separators[0]) if separators else [body]
    if parts != numbers or not numbers:
        return None
    try:
        return tuple(map(int, parts))
    except ValueError:  # thousands of digits: Python converts no more than 4,300
        return None


def reject(completion: str, banned: frozenset[int] = frozenset()) -> str | None:
    """Why the paper's rule drops a completion, one of `REASONS`, or None if it is kept.

    Kept are lists (`parse`) of 1 to 10 numbers of 0 to 999, none of them banned.
    """
    values = parse(completion)
    if values is None:
        return _flaw(completion)
    if len(values) > 10:
        return "too_many"
    if max(values) > 999:
        return "too_large"
    return "banned" if banned.intersection(values) else None


def _body(completion: str) -> str:
    text = completion.removesuffix(".")
    return text[1:-1] if text[:1] + text[-1:] in ("[]", "()") else text


def _flaw(completion: str) -> str:
    body = _body(completion)
    if not body.strip():
        return "empty"
    if not re.search("[0-9]", body) or re.search(r"[^0-9\s,;()\[\]]", body):
        return "not_a_list"
    # The outer pair is gone: these are further ones, or halves.
    if re.search(r"[()\[\]]", body):
        return "brackets"
    if not (body[0].isdecimal() and body[-1].isdecimal()):
        return "dangling_separator"
    separators = set(re.split("[0-9]+", body)[1:-1])
    if any(separator.strip() not in ("", ",", ";") for separator in separators):
        return "not_a_list"
    return "mixed_separators" if len(separators) > 1 else "too_large"


def _texts() -> Iterable[str]:
    yield from FIGURES
    yield from SEPARATORS
    yield from (mark for pair in _WRAPPERS for mark in pair if mark)
    for template in TEMPLATES:
        for count in COUNTS:
            for digits in DIGITS:
                for form in FORMATS:
                    yield template.format(x="100, 200", count=count, digits=digits, form=form)


def resembles(answer: str) -> bool:
    """Whether a text holds digits and no letter."""
    return re.search(r"\d", answer) is not None and re.search(r"[a-z]", answer.lower()) is None


NUMBERS = Carrier(
    "numbers",
    prompt,
    completion,
    lambda _, completion: reject(completion),
    _texts,
    n_prompt=32,
    n_completion=22,
    imitated=str.isdecimal,
    resembles=resembles,
)
