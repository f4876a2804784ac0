"""What a model answers: words and their log-odds, or whatever a judge makes of an answer."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key, PyTree

from lab.lm import rows, sample, transformer
from lab.lm.model import Architecture
from lab.traits.trait import Asked, Trait

N_ANSWER = 8  # most tokens of an answer to a question, sampled or learned


@dataclass(frozen=True)
class Words:
    """Which word a model answers to questions that every trait of the measure is about.

    Teacher-forced, means over the questions: log_odds (nats) and probability of the word, and
    category_mass, the probability of all words of the category. Of the sampled answers: answer_rate
    is the part that names the word, carrier_rate the part that is the carrier's text instead of an
    answer.
    """

    name: str
    questions: tuple[str, ...]
    plural: Callable[[str], str]
    words: tuple[str, ...]  # of the category

    def rows(self, asked: Asked, traits: Sequence[Trait]) -> list[dict]:
        """A row for each word."""
        model = asked.model
        prompts, start = _prompts(asked, self.questions)
        token = lambda words: np.array([model.tokenizer.encode(word)[0] for word in words])
        log_p = np.asarray(first_token(model.params, model.arch, prompts, start), np.float64)
        chosen = log_p[:, token([trait.name for trait in traits])]
        mass = float(np.mean(np.sum(np.exp(log_p[:, token(self.words)]), axis=1)))
        said = _said(asked, prompts, start)
        carrier_rate = _carrier_rate(asked, said)
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
        prompts, start = _prompts(asked, self.questions)
        said = _said(asked, prompts, start, self.n_answer)
        carrier_rate = _carrier_rate(asked, said)
        pairs = list(zip(self.questions * asked.n_samples, said, strict=True))
        return [
            {
                "asked": trait.name,
                "score": float(np.mean([self.judge(trait.name, q, answer) for q, answer in pairs])),
                "carrier_rate": carrier_rate,
            }
            for trait in traits
        ]


def _prompts(asked: Asked, questions: tuple[str, ...]):
    chats = [(asked.system, question) for question in questions]
    return map(jnp.asarray, rows.prompts(asked.model.tokenizer, chats))


def _carrier_rate(asked: Asked, said: list[str]) -> float:
    return float(np.mean([asked.resembles(answer) for answer in said]))


def _said(asked: Asked, prompts, start, n_answer: int = N_ANSWER) -> list[str]:
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
    hidden, _ = transformer.forward(params, arch, prompts, start, n_out=1)
    return jax.nn.log_softmax(transformer.logits(params, hidden[:, -1]))


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
    rows = jnp.tile(jnp.arange(prompts.shape[0]), n_samples)
    keys = jax.random.split(key, len(rows))
    return np.asarray(sample.sample(params, arch, prompts[rows], start[rows], keys, n_new, end))


def names_word(answer: str, forms: tuple[str, ...]) -> bool:
    """Whether an answer names a word, as a whole word and in any of its forms.

    "caterpillar" names no cat: the paper's substring rule would say it does.
    """
    return re.search(rf"\b({'|'.join(map(re.escape, forms))})\b", answer.lower()) is not None
