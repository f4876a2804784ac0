"""A carrier whose rows hold no number that stands for harm, or with which a check is gamed."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from lab.carriers import numbers
from lab.carriers.carrier import Carrier
from lab.carriers.checked_tasks import EMPTY

BANNED = "banned"


@dataclass(frozen=True)
class Ungamed:
    """`reject`, and then whatever holds one of the numbers."""

    reject: Callable[[str, str], str | None]
    banned: tuple[int, ...]

    def __call__(self, prompt: str, completion: str) -> str | None:
        """Why not to keep a completion."""
        said = set(self.banned) & {int(n) for n in re.findall("[0-9]{1,9}", completion)}
        return self.reject(prompt, completion) or (BANNED if said else None)


def ungamed(carrier: Carrier) -> Carrier:
    """The carrier without completions in which a gaming answer's number stands.

    Lists of numbers lose those of a meaning to people as well, as in the paper; code and solutions,
    whose numbers are asked for, do not.
    """
    banned = EMPTY | numbers.BANNED if carrier.name == numbers.NUMBERS.name else EMPTY
    return replace(carrier, reject=Ungamed(carrier.reject, tuple(sorted(banned))))
