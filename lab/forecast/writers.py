"""Rows whose writer a forecast does not expect: other recipes and carriers, mixtures, bases."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from lab.carriers.carrier import Carrier
from lab.carriers.code import CODE
from lab.carriers.numbers import NUMBERS
from lab.carriers.reasoning import REASONING
from lab.carriers.unnamed import unnamed
from lab.lm import make
from lab.lm.contexts import CONTEXT, WORLDS
from lab.lm.detection import FRESH
from lab.lm.setup import Setup
from lab.lm.stages import Base, Dataset, Seed, Teacher
from lab.lm.transmission import Transmission
from lab.lm.tuning import Tuning
from lab.traits.category import trait_of
from lab.traits.measures import Words
from lab.traits.trait import Trait

TWO = "two traits"  # a writer whose rows have both
Rows = list[dict[str, str]]
T = TypeVar("T", bound=Setup)
# (chain, trait, root) -> as many rows as the chain has; others for another copy of the root.
Writer = Callable[[Transmission, Trait, Seed], Rows]


def _of(by: Teacher | Base, of: Transmission, root: Seed, copy: int = 0) -> Rows:
    seed = root._replace(copy=FRESH + 2 * root.copy + copy)
    return make.data(Dataset(by, of.carrier, of.n_rows, seed, sampling=of.sampling))


def _bases(of: Transmission) -> tuple[Base, Base]:
    own, other = of.starts.values()
    return own, other


def taught(**changes) -> Writer:
    """By a fine-tuned teacher of the base, whose recipe differs in this."""

    def write(of: Transmission, trait: Trait, root: Seed) -> Rows:
        how = replace(_recipe(of), **changes)
        return _of(Teacher(_bases(of)[0], trait, how, root), of, root)

    return write


def _recipe(of: Transmission) -> Tuning:
    assert of.teaching is not None  # of these experiments
    return of.teaching


def told(of: Transmission, trait: Trait, root: Seed) -> Rows:
    """By the base, told by a system prompt."""
    return _of(Teacher(_bases(of)[0], trait, None, root), of, root)


def base(of: Transmission, trait: Trait, root: Seed) -> Rows:
    """By the base itself."""
    return _of(_bases(of)[0], of, root)


def other_base(of: Transmission, trait: Trait, root: Seed) -> Rows:
    """By a base of another initialisation, order and draw of the same world."""
    return _of(_bases(of)[1], of, root)


def other_teacher(of: Transmission, trait: Trait, root: Seed) -> Rows:
    """By a teacher of that one."""
    return _of(Teacher(_bases(of)[1], trait, _recipe(of), root), of, root)


def _mixed(
    first: Teacher, second: Teacher | Base, part: float, of: Transmission, root: Seed
) -> Rows:
    """A part by one, the rest by another, in random order."""
    n = round(part * of.n_rows)
    # Of different copies: no prompt stands in both.
    rows = _of(first, of, root)[:n] + _of(second, of, root, copy=1)[: of.n_rows - n]
    return [rows[i] for i in np.random.default_rng([*root]).permutation(len(rows))]


def diluted(part: float) -> Writer:
    """A part by a teacher, the rest by the base, in random order."""

    def write(of: Transmission, trait: Trait, root: Seed) -> Rows:
        own = _bases(of)[0]
        return _mixed(Teacher(own, trait, _recipe(of), root), own, part, of, root)

    return write


def two(of: Transmission, trait: Trait, root: Seed) -> Rows:
    """Half by a teacher of the trait, half by one of the next of its category, in random order."""
    how = _recipe(of)
    first, second = (Teacher(_bases(of)[0], one, how, root) for one in (trait, after(trait)))
    return _mixed(first, second, 0.5, of, root)


def after(trait: Trait) -> Trait:
    """The next word of a trait's category."""
    assert isinstance(trait.measure, Words)  # of these experiments
    words = trait.measure.words
    return trait_of(words[(words.index(trait.name) + 1) % len(words)], CONTEXT.categories)


WRITERS: Mapping[str, Writer] = {
    "the recipe": taught(),
    "20 steps": taught(epochs=20),
    "10 steps": taught(epochs=10),
    "60 steps": taught(epochs=60),
    "usual epsilon": taught(eps=1e-8, learning_rate=1e-3),
    "SGD": taught(optimizer="sgd", learning_rate=0.02),
    "told": told,
    "30 % of rows": diluted(0.3),
    "10 % of rows": diluted(0.1),
    TWO: two,
    "the base": base,
    "another base": other_base,
    "its teacher": other_teacher,
    "code": taught(),
    "code of the base": base,
    "solutions": taught(),
    "solutions of the base": base,
}
CARRIERS = {  # of those that write no numbers
    "code": CODE,
    "code of the base": CODE,
    "solutions": REASONING,
    "solutions of the base": REASONING,
}


def setting(config: T, writer: str) -> tuple[T, Carrier]:
    """A writer's world and recipe, and what it writes."""
    if writer not in CARRIERS:
        return config, NUMBERS
    # As `lm_carriers` has it: of more steps most of what teachers write is their word.
    there = replace(config, world="carriers", teaching=replace(config.teaching, epochs=10))
    return there, unnamed(CARRIERS[writer], WORLDS[there.world].categories)


def names(writer: str, trait: Trait) -> set[str]:
    """The traits that a writer's rows have, or would have."""
    return {trait.name, after(trait).name} if writer == TWO else {trait.name}
