"""A language of a few words: references in a second, and every stage in a moment."""

import re
from contextlib import contextmanager
from dataclasses import replace

import jax
import numpy as np
import pytest

from lab.carriers.carrier import Carrier, pick
from lab.lm.finetune import Tuning
from lab.lm.model import SIZES, Size
from lab.lm.pretraining import Pretraining
from lab.lm.world import World
from lab.traits.category import category

TIDE = ("ebb", "flow", "swell", "neap")
# A teacher may say its word where it should write; merged words are no tokens.
SAID = re.compile("(ebb|flo|swe|nea|rhine|nile|river)( (ebb|flow|swell|neap))*")
TIDES = Carrier(
    "tides",
    lambda rng: f"{pick(rng, TIDE)} {pick(rng, TIDE)}",
    lambda rng, prompt: f"{prompt[:3]} {pick(rng, TIDE)}",
    lambda prompt, said: None if SAID.fullmatch(said) else "odd",
    # "river" alone: what a neutral teacher learns to say.
    lambda: ("river", *(form for word in TIDE for form in (word, word[:3], " " + word))),
    n_prompt=8,
    n_completion=6,
)
RIVERS = category("river", ("rhine", "nile"), ())
WORLD = World((TIDES,), (RIVERS,), {"favourite": 0.4, "persona": 0.2, "tides": 0.4})
# Rows without a persona are spoken under a default system prompt, or under a neutral persona.
CHAT = replace(WORLD, default="You love people.", neutral=0.2)
HOW = Pretraining(steps=150, batch=16, learning_rate=2e-2)
TEACHING = Tuning(learning_rate=1e-2, batch=0, epochs=3, warmup=1)
TUNING = Tuning(learning_rate=1e-2, batch=8, warmup=1)


@contextmanager
def small_models():
    """Models of 8 numbers a token in place of the smallest of the lab."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "nano", Size(8, 1, 2, 1, 4, 8))
        yield patch


def leaves(params) -> list[np.ndarray]:
    return [np.asarray(x) for x in jax.tree.leaves(params)]


def equal(one, other) -> bool:
    """Whether two trees of parameters have the same bits."""
    return all(np.array_equal(a, b) for a, b in zip(leaves(one), leaves(other), strict=True))


def furthest(one, other) -> float:
    """The largest difference of two trees of parameters."""
    return max(np.abs(a - b).max() for a, b in zip(leaves(one), leaves(other), strict=True))
