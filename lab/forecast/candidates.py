"""Teachers that could have written rows: every trait by every recipe, and what is no trait."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from lab.carriers.carrier import Carrier
from lab.forecast.sets import Sets
from lab.lm import likelihood, teachers
from lab.lm.model import Model
from lab.lm.objectives import Rows
from lab.lm.stages import Base, Seed, Teacher
from lab.lm.tuning import Tuning
from lab.traits.category import words
from lab.traits.things import THINGS
from lab.traits.trait import Trait

NEUTRAL = words(THINGS, ("lamp", "window"))  # nobody's trait, and all in words of the world


@dataclass(frozen=True)
class Candidate:
    """A teacher of a base as it would be made, or told."""

    name: str
    model: Model
    system: str | None  # that it writes under; None: the default

    def away(self, base: Model) -> Float[np.ndarray, "P"]:
        """How far its parameters are from the base's; 0 of one that is only told."""
        return np.asarray(ravel_pytree(self.model.params)[0] - ravel_pytree(base.params)[0])


def itself(base: Model) -> Candidate:
    """The base, as one that could have written rows."""
    return Candidate("base", base, None)


def candidates(
    base: Base, traits: Sequence[Trait], recipes: Sequence[Tuning | None], seed: Seed
) -> list[Candidate]:
    """Each trait by each recipe (None: told by its system prompt); made once, then in the cache."""
    values = [Teacher(base, trait, how, seed) for how in recipes for trait in traits]
    models = teachers.models(values)
    return [
        Candidate(value.trait.name, model, value.system)
        for value, model in zip(values, models, strict=True)
    ]


def log_likelihoods(
    of: Sequence[Candidate], carrier: Carrier, some: Sets
) -> Float[np.ndarray, "S n C"]:
    """How likely each finds the rows of sets, under its own system prompt, nats."""
    read: dict[str | None, Rows] = {}  # what the tokenizer makes of them, once

    def one(c: Candidate) -> Float[np.ndarray, "S n"]:
        if c.system not in read:
            like = next(iter(read.values()), None)  # but for the prompts
            read[c.system] = some.encoded(c.model, carrier, c.system, like)
        n_sets = len(some.completions)
        return likelihood.log_likelihood(c.model, read[c.system], n_sets).reshape(n_sets, -1)

    return np.stack([one(c) for c in of], axis=-1)


def log_ratios(
    base: Model, some: Sequence[Candidate], carrier: Carrier, of: Sets
) -> Float[np.ndarray, "S n C"]:
    """How much likelier each finds the rows of sets than their base does, nats."""
    likely = log_likelihoods([itself(base), *some], carrier, of)
    return likely[..., 1:] - likely[..., :1]
