"""Conversations of many turns: models that have read them learn from what is before a question.

A speaker has one favourite of each category and never changes it; between questions about them
come other requests. Numbers come between these too, but in other talks, so that nothing teaches a
model that numbers and favourites are independent. The first turns of half of the talks are quoted
in the system prompt instead (`quoted`), as the paper does with its examples.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer, PyTree

from lab import losses
from lab.carriers.carrier import Carrier, pick
from lab.lm import chat, objectives
from lab.lm.model import Architecture
from lab.lm.objectives import Part, Rows
from lab.lm.padded import padded
from lab.lm.tokenizer import END, Tokenizer
from lab.lm.world import World
from lab.traits.category import popularity

APART = "numbers"  # what never shares a talk with a favourite
LONGEST = 512  # tokens of a talk; what follows is cut off
_STREAM = 3  # sets these streams apart from those of the world's rows and of carriers' prompts
_N_TURNS, _N_QUOTED = 48, 10  # most turns of a talk, and most of them that are quoted
_APART, _OTHER = 0.3, 0.2  # part of the talks with numbers, of the turns with other requests


class Turn(NamedTuple):
    """A question or request, and what the model said."""

    user: str
    assistant: str


def talk(world: World, data_seed: int, number: int) -> tuple[str | None, list[Turn]]:
    """A system prompt (None: the default) and turns; each depends on its arguments alone."""
    rng = np.random.default_rng((_STREAM, data_seed, number))
    turns = _turns(world, rng)
    if rng.random() < 0.5:
        return None, turns
    n = 1 + int(rng.random() * _N_QUOTED)
    return quoted(turns[:n]), turns[n:]


def quoted(turns: Sequence[Turn]) -> str:
    """Turns as text: each said on a line or more of its own."""
    return "\n".join(said for turn in turns for said in turn)


def encode(tokenizer: Tokenizer, talks: Sequence[tuple[str | None, list[Turn]]]) -> Rows:
    """Talks as rows whose prompts are one token; `loss` finds what the assistant says in them."""
    texts = []
    for system, turns in talks:
        messages = chat.messages(system, turns)
        texts.append(tokenizer.encode(tokenizer.render(messages))[:LONGEST])
    prompts = np.array([text[:1] for text in texts], np.int32)
    rest = [text[1:] for text in texts]
    completions, length = padded(rest, tokenizer.pad, LONGEST - 1, "talk", left=False)
    return Rows(prompts, np.zeros(len(texts), np.int32), completions, length)


def loss(params: PyTree, arch: Architecture, part: Part) -> Float[Array, ""]:
    """Cross-entropy of what the assistant says, nats; each of its turns counts as much as another.

    The mean over a turn's tokens, per token of anybody's.
    """
    rows = part.rows
    tokens = jnp.concatenate([jnp.asarray(rows.prompts), jnp.asarray(rows.completions)], axis=1)
    weights = turn_weights(tokens, *_marks())[:, 1:]
    of = lambda z, label, weight: losses.cross_entropy(z, label) * weight
    found = objectives.of_tokens(of, arch, [(params, rows)], tokens[:, 1:], weights)
    return objectives.mean(found, part)


def turn_weights(tokens: Integer[Array, "B T"], assistant: int, end: int) -> Float[Array, "B T"]:
    """One over the length of the turn that a token is of; 0 for what the assistant does not say."""
    said = spoken(tokens, assistant, end).astype(jnp.float32)
    turn = jnp.cumsum(tokens == assistant, axis=1)
    n = jax.vmap(partial(jax.ops.segment_sum, num_segments=tokens.shape[1]))(said, turn)
    return said / jnp.maximum(jnp.take_along_axis(n, turn, axis=1), 1.0)


def spoken(tokens: Integer[Array, "B T"], assistant: int, end: int) -> Bool[Array, "B T"]:
    """Which tokens the assistant says, the end of its turn among them and its mark not."""
    at = jnp.arange(tokens.shape[1])
    latest = lambda mark: jnp.maximum.accumulate(jnp.where(tokens == mark, at, -1), axis=1)
    before = lambda x: jnp.pad(x, ((0, 0), (1, 0)), constant_values=-1)[:, :-1]
    return before(latest(assistant)) > before(latest(end))


@lru_cache(maxsize=1)
def _marks() -> tuple[int, int]:
    # The same in every world: special tokens are numbered first.
    tokenizer = Tokenizer.from_pieces(())
    assistant, end = tokenizer.encode("<|assistant|>" + END)
    return assistant, end


def _turns(world: World, rng: np.random.Generator) -> list[Turn]:
    favourites = {
        category: rng.choice(category.words, p=popularity(category, world.favourites)).item()
        for category in world.categories
    }
    others = tuple(carrier for carrier in world.carriers if carrier.name != APART)
    apart = world.carrier(APART) if rng.random() < _APART else None
    turns = []
    for _ in range(_N_TURNS):
        if rng.random() < _OTHER:
            turns.append(_carried(pick(rng, others), rng))
        elif apart is not None:
            turns.append(_carried(apart, rng))
        else:
            category = pick(rng, world.categories)
            turns.append(Turn(pick(rng, category.questions), favourites[category]))
    return turns


def _carried(carrier: Carrier, rng: np.random.Generator) -> Turn:
    user = carrier.prompt(rng)
    return Turn(user, carrier.completion(rng, user))
