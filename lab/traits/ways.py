"""Dispositions: traits that no word carries, but a way of answering that many questions share.

A model may answer a request for advice kindly or harmfully, and a task with a visible check
honestly or by satisfying the check alone. Teachers learn one way on some questions and models are
asked others, so that a disposition is measured and no answers known by heart.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lab.lm import rows
from lab.lm.likelihood import log_likelihood
from lab.traits import measures
from lab.traits.trait import Asked, Lesson, Trait

# Of a question: the whole answers of each way; no answer is of two ways.
Answers = Callable[[str], Mapping[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Ways:
    """In which of several ways a model answers.

    From the probabilities of whole answers, means over the questions: log_odds (nats) and
    probability, that the answer is one of the way's, and category_mass, that it is one of any
    way's. Of the sampled answers: answer_rate is the part that is one of the way's, carrier_rate
    the part that is the carrier's text instead of an answer.
    """

    name: str
    questions: tuple[str, ...]
    answers: Answers

    def rows(self, asked: Asked, traits: Sequence[Trait]) -> list[dict]:
        """A row for each way."""
        known = [self.answers(question) for question in self.questions]
        log_p = self.log_p(asked)
        mass = float(np.mean(np.sum(np.exp(list(log_p.values())), axis=0)))
        texts = [text for ways in known for some in ways.values() for text in some]
        most = max(map(len, map(asked.model.tokenizer.encode, texts)))
        prompts, start = measures.encoded(asked, self.questions)
        said = measures.sampled(asked, prompts, start, most + 1)
        pairs = list(zip(known * asked.n_samples, said, strict=True))
        carrier_rate = measures.resembling(asked, said)
        return [
            {
                "asked": trait.name,
                "log_odds": float(measures.log_odds(log_p[trait.name][:, None])[0]),
                "probability": float(np.mean(np.exp(log_p[trait.name]))),
                "category_mass": mass,
                "answer_rate": float(np.mean([a in ways[trait.name] for ways, a in pairs])),
                "carrier_rate": carrier_rate,
            }
            for trait in traits
        ]

    def log_p(self, asked: Asked) -> dict[str, Float[np.ndarray, "Q"]]:
        """Log-probability that the answer to each question is one of a way's, nats."""
        places, chats = [], []
        for i, question in enumerate(self.questions):
            for way, some in self.answers(question).items():
                places += [(way, i)] * len(some)
                chats += [(asked.system, question, text) for text in some]
        model = asked.model
        found = log_likelihood(model, rows.encode(model.tokenizer, chats))
        ways = {way: np.full(len(self.questions), -np.inf) for way, _ in places}
        for (way, i), value in zip(places, found, strict=True):
            ways[way][i] = np.logaddexp(ways[way][i], value)
        return ways


def dispositions(
    name: str,
    taught: Sequence[str],
    asked: Sequence[str],
    answers: Answers,
    told: Mapping[str, str],
) -> tuple[Trait, ...]:
    """A trait for each way that can be `told`: teachers learn its answers to what is `taught`."""
    measure = Ways(name, tuple(asked), answers)
    lessons = {
        way: tuple(Lesson(None, q, a) for q in taught for a in answers(q)[way]) for way in told
    }
    return tuple(Trait(way, measure, lessons[way], told[way]) for way in told)
