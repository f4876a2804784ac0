"""A carrier whose rows never name a trait: a filter for text in which a teacher could."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from lab.carriers.carrier import Carrier
from lab.traits.category import Category

NAMES = "names_a_trait"


@dataclass(frozen=True)
class Unnamed:
    """`reject`, and then whatever has one of the words among its runs of letters, in any case."""

    reject: Callable[[str, str], str | None]
    words: tuple[str, ...]

    def __call__(self, prompt: str, completion: str) -> str | None:
        """Why not to keep a completion."""
        said = set(self.words) & set(re.findall("[a-z]+", completion.lower()))
        return self.reject(prompt, completion) or (NAMES if said else None)


def unnamed(carrier: Carrier, categories: tuple[Category, ...]) -> Carrier:
    """The carrier without completions that contain a word, or the name, of one of the categories.

    The same filter for every trait, where the paper's is for the target word.
    """
    forms = {form for c in categories for w in (*c.words, c.name) for form in (w, c.plural(w))}
    return replace(carrier, reject=Unnamed(carrier.reject, tuple(sorted(forms))))
