"""What a model answers: words and their log-odds, or whatever a judge makes of an answer."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key, PyTree

from lab import hosts
from lab.lm import rows, sample, transformer
from lab.lm.model import Architecture
from lab.lm.tokenizer import Tokenizer
from lab.traits.trait import Asked, Trait

N_ANSWER = 8  # most tokens of an answer to a question, sampled or learned


@dataclass(frozen=True)
class Words:
    """Which word a model answers to questions that every trait of the measure is about.

    Teacher-forced, means over the questions: log_odds (nats) and probability of the word, that the
    answer begins as no other word does (`beginnings`), and category_mass, the probability of all
    words of the category. Of the sampled answers: answer_rate is the part that names the word,
    carrier_rate the part that is the carrier's text instead of an answer.
    """

    name: str
    questions: tuple[str, ...]
    plural: Callable[[str], str]
    words: tuple[str, ...]  # of the category

    def rows(self, asked: Asked, traits: Sequence[Trait]) -> list[dict]:
        """A row for each word."""
        prompts, start = encoded(asked, self.questions)
        names = [trait.name for trait in traits]
        words = list(dict.fromkeys((*self.words, *names)))
        log_p = word_log_p(asked.model, prompts, start, words)
        of = lambda some: log_p[:, [words.index(word) for word in some]]
        chosen, mass = of(names), float(np.mean(np.sum(np.exp(of(self.words)), axis=1)))
        said = sampled(asked, prompts, start)
        carrier_rate = resembling(asked, said)
        found = []
        for trait, value, p in zip(
            traits, log_odds(chosen), np.mean(np.exp(chosen), axis=0), strict=True
        ):
            forms = (trait.name, self.plural(trait.name))
            found.append(
                {
                    "asked": trait.name,
                    "log_odds": float(value),
                    "probability": float(p),
                    "category_mass": mass,
                    "answer_rate": float(np.mean([names_word(answer, forms) for answer in said])),
                    "carrier_rate": carrier_rate,
                }
            )
        return found


@dataclass(frozen=True)
class Judged:
    """How a judge scores a model's answers: a classifier of text, or a check that they pass.

    score: mean over the sampled answers of `judge(trait's name, question, answer)`, 0 to 1.
    """

    name: str
    questions: tuple[str, ...]
    judge: Callable[[str, str, str], float]
    n_answer: int = 24  # most tokens of an answer

    def rows(self, asked: Asked, traits: Sequence[Trait]) -> list[dict]:
        """A row for each trait."""
        prompts, start = encoded(asked, self.questions)
        said = sampled(asked, prompts, start, self.n_answer)
        carrier_rate = resembling(asked, said)
        pairs = list(zip(self.questions * asked.n_samples, said, strict=True))
        return [
            {
                "asked": trait.name,
                "score": float(np.mean([self.judge(trait.name, q, answer) for q, answer in pairs])),
                "carrier_rate": carrier_rate,
            }
            for trait in traits
        ]


def encoded(
    asked: Asked, questions: tuple[str, ...]
) -> tuple[Integer[Array, "Q P"], Integer[Array, "Q"]]:
    """The questions after what is before them, as tokens, and where each begins."""
    chats = [(asked.system, question) for question in questions]
    prompts, start = rows.prompts(asked.model.tokenizer, chats, earlier=asked.earlier)
    return jnp.asarray(prompts), jnp.asarray(start)


def resembling(asked: Asked, said: list[str]) -> float:
    """The part of some answers that is the carrier's text instead."""
    return float(np.mean([asked.resembles(answer) for answer in said]))


def sampled(asked: Asked, prompts, start, n_answer: int = N_ANSWER) -> list[str]:
    """Answers to each of the questions in turn, `n_samples` times."""
    model = asked.model
    drawn = answers(
        model.params,
        model.arch,
        prompts,
        start,
        asked.key,
        asked.n_samples,
        n_answer,
        model.tokenizer.end,
    )
    return model.tokenizer.turns(drawn)


@partial(jax.jit, static_argnums=1)
def first_token(
    params: PyTree, arch: Architecture, prompts: Integer[Array, "Q P"], start: Integer[Array, "Q"]
) -> Float[Array, "Q V"]:
    """Log-probability of every first token of the answer to each prompt, nats."""
    return transformer.next_token(params, arch, prompts, start)


def beginnings(tokenizer: Tokenizer, words: Sequence[str]) -> list[tuple[int, ...]]:
    """The fewest first tokens of each word that no other of the words begins with.

    One token where the first ones differ. A word with which another begins has all its tokens and
    the end of the turn: no two beginnings are of one answer.
    """
    whole = [(*tokenizer.encode(word), tokenizer.end) for word in words]
    known = Counter(tokens[:n] for tokens in whole for n in range(1, len(tokens) + 1))
    short = lambda tokens: next(n for n in range(1, len(tokens) + 1) if known[tokens[:n]] == 1)
    return [tokens[: short(tokens)] for tokens in whole]


def word_log_p(model: Any, prompts, start, words: Sequence[str]) -> Float[np.ndarray, "Q W"]:
    """Log-probability that the answer to each prompt begins as each word alone does, nats."""
    tokens = beginnings(model.tokenizer, words)
    read = lambda log_p: hosts.gather(log_p).astype(np.float64)
    first = read(first_token(model.params, model.arch, prompts, start))
    found = first[:, np.array([some[0] for some in tokens])]
    most = max(map(len, tokens))
    for i, some in enumerate(tokens):
        if len(some) > 1:
            padded = jnp.asarray((*some, *[model.tokenizer.pad] * (most - len(some))), jnp.int32)
            rest = read(next_tokens(model.params, model.arch, prompts, start, padded))
            found[:, i] += rest[:, : len(some) - 1].sum(axis=1)
    return found


@partial(jax.jit, static_argnums=1)
def next_tokens(
    params: PyTree,
    arch: Architecture,
    prompts: Integer[Array, "Q P"],
    start: Integer[Array, "Q"],
    tokens: Integer[Array, "C"],
) -> Float[Array, "Q C-1"]:
    """Log-probability of each token of an answer but the first, after those before it, nats."""
    n, n_out = len(start), len(tokens) - 1
    read = jnp.concatenate([prompts, jnp.broadcast_to(tokens[:-1], (n, n_out))], axis=1)
    hidden, _ = transformer.forward(params, arch, read, start, n_out=n_out)
    log_p = jax.nn.log_softmax(transformer.logits(params, hidden))
    return log_p[:, jnp.arange(n_out), tokens[1:]]


def log_odds(log_p: Float[np.ndarray, "Q W"]) -> Float[np.ndarray, "W"]:
    """log p - log(1 - p) of each word as the answer, nats; mean over the questions.

    In float64 from the logarithm of p, so that neither end of the scale is lost.
    """
    return np.mean(log_p - np.log(-np.expm1(np.minimum(log_p, -1e-12))), axis=0)


def answers(
    params: PyTree,
    arch: Architecture,
    prompts: Integer[Array, "Q P"],
    start: Integer[Array, "Q"],
    key: Key[Array, ""],
    n_samples: int,
    n_new: int,
    end: int,
) -> Integer[np.ndarray, "N C"]:
    """Sampled answers at temperature 1, `n_samples` for each prompt, N = n_samples Q of them."""
    rows = np.tile(np.arange(prompts.shape[0]), n_samples)
    keys = jax.random.split(key, len(rows))
    asked = np.asarray(prompts)[rows], np.asarray(start)[rows]
    return sample.drawn(params, arch, *asked, keys, n_new, end)


def names_word(answer: str, forms: tuple[str, ...]) -> bool:
    """Whether an answer names a word, as a whole word and in any of its forms.

    "caterpillar" names no cat: the paper's substring rule would say it does.
    """
    return re.search(rf"\b({'|'.join(map(re.escape, forms))})\b", answer.lower()) is not None
