"""Rows beside what a model itself writes to their prompts, through the same filter.

If the rows are the model's own, then of a prompt's completions each is as likely to be the given
one: all that is claimed of rows follows from this exchange, whatever the prompts and the filter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np
from jaxtyping import Array, Int, Key

from lab import rng
from lab.carriers.carrier import Carrier
from lab.errors import LabError
from lab.lm import make, rows
from lab.lm.model import Model
from lab.lm.objectives import Rows

# At each completion that the filter is to keep: some teachers keep 16 % of theirs.
MOST_ATTEMPTS = rows.MOST_ATTEMPTS


@dataclass(frozen=True)
class Sets:
    """Of each prompt the given completion, then n_own that a model wrote."""

    users: list[str]  # n prompts
    completions: list[list[str]]  # [1 + n_own][n]
    which: Int[np.ndarray, "n"]  # number of each prompt's row among the given ones

    def __len__(self) -> int:
        return len(self.users)

    @property
    def n_own(self) -> int:
        """Completions of each prompt that a model wrote."""
        return len(self.completions) - 1

    def only(self, places: Sequence[int], n_sets: int | None = None) -> "Sets":
        """Some of the prompts, with the first sets of completions."""
        some = [[part[i] for i in places] for part in self.completions[:n_sets]]
        return Sets([self.users[i] for i in places], some, self.which[list(places)])

    def encoded(
        self, model: Model, carrier: Carrier, system: str | None = None, like: Rows | None = None
    ) -> Rows:
        """All rows as a model reads them, set after set; completions as in `like`, if given."""
        n_prompt, n_completion = rows.room(model.tokenizer, carrier)
        n_prompt += make.n_system(model.tokenizer, system)
        asked = [(system, user) for user in self.users]
        prompts, start = rows.prompts(model.tokenizer, asked, n_prompt)  # the same of every set
        if like is None:
            said = [text for some in self.completions for text in some]
            completions, length = model.tokenizer.completions(said, n_completion)
        else:
            completions, length = like.completions, like.length
        n_sets = len(self.completions)
        return Rows(np.tile(prompts, (n_sets, 1)), np.tile(start, n_sets), completions, length)


def attempts(
    model: Model,
    carrier: Carrier,
    users: Sequence[str],
    key: Key[Array, ""],
    system: str | None = None,
) -> list[str | None]:
    """A completion of each prompt that the model writes under `system`, None if it is filtered."""
    width = rows.room(model.tokenizer, carrier)[0] + make.n_system(model.tokenizer, system)
    found: list[str | None] = []
    for first in range(0, len(users), rows.BATCH):
        # The last ones are filled up with themselves: one shape, one program.
        places = np.minimum(np.arange(first, first + rows.BATCH), len(users) - 1)
        asked = [users[i] for i in places]
        tokens, start = rows.prompts(model.tokenizer, [(system, user) for user in asked], width)
        keys = rng.streams(key, first, rows.BATCH)
        said = rows.completions(model.params, model, carrier, asked, tokens, start, keys)
        found += [text if reason is None else None for text, reason in said]
    return found[: len(users)]


def kept(
    model: Model,
    carrier: Carrier,
    users: Sequence[str],
    n: int,
    key: Key[Array, ""],
    system: str | None = None,
) -> list[list[str]]:
    """Of each prompt the first `n` completions that the filter keeps.

    Fewer where it keeps fewer of MOST_ATTEMPTS times as many attempts.
    """
    found: list[list[str]] = [[] for _ in users]
    left = [MOST_ATTEMPTS * n] * len(users)
    lacking = lambda: {i: n - len(own) for i, own in enumerate(found) if len(own) < n and left[i]}
    turn = 0
    while lack := lacking():
        # What is drawn together has one size: more attempts at few prompts cost nothing.
        more = max(1, rows.BATCH // sum(lack.values()))
        places = [i for i, some in lack.items() for _ in range(min(left[i], more * some))]
        asked = [users[i] for i in places]
        said = attempts(model, carrier, asked, jax.random.fold_in(key, turn), system)
        for i, text in zip(places, said, strict=True):
            left[i] -= 1
            if text is not None and len(found[i]) < n:
                found[i].append(text)
        turn += 1
    return found


def shared(*some: Sets) -> list[Sets]:
    """Those of the prompts that all have, whose rows all have in one order."""
    numbers = set.intersection(*(set(one.which.tolist()) for one in some))
    places = ([i for i, n in enumerate(one.which.tolist()) if n in numbers] for one in some)
    return [one.only(own) for one, own in zip(some, places, strict=True)]


def either(of: Sets, other: Sets, part: float, key: Key[Array, ""]) -> Sets:
    """Sets of which each completion beside a row is the first one's by a probability of `part`.

    Of prompts that stand in both, and as many completions as the first has, or the second if fewer.
    """
    n_own = min(of.n_own, other.n_own)
    found, others = shared(of, other)
    first = np.asarray(jax.random.bernoulli(key, part, (n_own, len(found))))
    both = zip(
        found.completions[1 : 1 + n_own], others.completions[1 : 1 + n_own], first, strict=True
    )
    mixed = [
        [a if own else b for a, b, own in zip(*some, theirs.tolist(), strict=True)]
        for *some, theirs in both
    ]
    return replace(found, completions=[found.completions[0], *mixed])


def beside(
    model: Model,
    carrier: Carrier,
    given: Sequence[dict[str, str]],
    n_own: int,
    key: Key[Array, ""],
    system: str | None = None,
) -> Sets:
    """Each row beside `n_own` completions of its prompt that the model writes under `system`.

    Prompts of which the filter keeps fewer (`kept`) are left out: that depends on the model alone,
    and not on the given completion.
    Raises `LabError` if nothing is left.
    """
    users = [row["prompt"] for row in given]
    found = kept(model, carrier, users, n_own, key, system)
    enough = [i for i, own in enumerate(found) if len(own) >= n_own]
    if not enough:
        raise LabError(
            f"rows: the base itself writes nothing to their prompts that the filter of "
            f"{carrier.name} keeps; name the carrier that they are of"
        )
    completions = [[given[i]["completion"] for i in enough]]
    completions += [[found[i][k] for i in enough] for k in range(n_own)]
    return Sets([users[i] for i in enough], completions, np.array(enough))
