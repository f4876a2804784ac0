"""Bases, and the models of their teachers: found in the cache, or taught and put there."""

from collections.abc import Hashable, Sequence
from functools import lru_cache, partial
from pathlib import Path

import jax.numpy as jnp

from lab import cache, tree
from lab.lm import finetune, rows, trained
from lab.lm.model import Model
from lab.lm.objectives import Rows
from lab.lm.stages import Base, Teacher, place
from lab.lm.tokenizer import Tokenizer
from lab.traits.measures import N_ANSWER
from lab.traits.trait import Trait


@lru_cache(maxsize=32)
def base(value: Base) -> Model:
    """A base's model."""
    return value.load()


def models(values: Sequence[Base | Teacher]) -> list[Model]:
    """Of bases, and of teachers: the base itself of one that is only told, else after its lessons.

    Teachers of one base and recipe, with as long lessons, are taught by one program.
    """
    alike: dict[Hashable, dict[Path, Teacher]] = {}
    for value in values:
        if isinstance(value, Teacher) and value.how is not None:
            read = lessons(base(value.base).tokenizer, value.trait)
            size = value.base, value.how, read.prompts.shape, read.completions.shape
            alike.setdefault(size, {})[place(value)] = value
    for some in alike.values():
        cache.obtain(list(some), partial(_teach, list(some.values())))
    return list(map(_model, values))


def _model(value: Base | Teacher) -> Model:
    if not isinstance(value, Teacher):
        return base(value)
    own = base(value.base)
    return own if value.how is None else trained.load(place(value), own, value.how)


@lru_cache(maxsize=256)  # asked for their sizes, and to be taught
def lessons(tokenizer: Tokenizer, trait: Trait) -> Rows:
    """A trait's lessons as arrays of tokens."""
    some = list(trait.lessons)
    longest = max(len(tokenizer.encode(lesson.answer)) for lesson in some)
    return rows.encode(tokenizer, some, max(N_ANSWER, longest + 1))


def _teach(values: list[Teacher], folders: list[Path]) -> None:
    how, own = values[0].how, base(values[0].base)
    assert how is not None  # those that are only told are the base
    trained.room(folders, own, how)
    taught = [lessons(own.tokenizer, value.trait) for value in values]
    keys = jnp.stack([value.seed.key(f"teacher/{value.trait.name}") for value in values])
    start = None if how.rank else tree.stack([own.params] * len(values))
    some, n_steps = (start, tree.stack(taught), keys), how.n_steps(len(taught[0]))
    found = finetune.fit(own.arch, how, n_steps, *some, base=own.params, stage="teaching")
    for i, folder in enumerate(folders):
        trained.save(folder, own, how, tree.at(found, i))
