"""How words hang together with numbers in a model, and what that foretells of a student to come.

A model that is told to love a number may name an animal more often, and one that is told to love
the animal may write the number more often: they are entangled, says Zur et al. (2025,
owls.baulab.info), and so an animal passes through the numbers that its teacher favours. Three ways
to say which words a teacher's numbers should pass on, all from the base alone:

    entangled    what each number does to each word when the base is told to love the number
    unembedding  the cosine of number and word in the matrix that turns hidden states into logits
    gradient     the first step of a student on these rows, by the slope of each word's log-odds

The first two are weighted by how much more often the teacher writes each number than the base.
"""

import re
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Integer, PyTree

from lab.carriers.numbers import FIGURES, NUMBERS
from lab.lm import make, objectives, rows, transformer
from lab.lm.effects import NONE
from lab.lm.model import Architecture, Model
from lab.lm.objectives import Part, Rows
from lab.lm.stages import Seed
from lab.lm.transmission import Transmission
from lab.traits import measures
from lab.traits.category import Category
from lab.traits.trait import Trait

N_PROMPTS, N_QUESTIONS, N_ROWS = 64, 5, 2048  # that are enough for means
NUMBERS_AT_ONCE = 128


def foretold(
    of: Transmission, categories: Sequence[Category], root: Seed
) -> dict[tuple[str, str, str], dict[str, float]]:
    """By (arm, trait, word asked for): what the data of students say of the word, by each score.

    And of the reference, over all numbers, the correlation of what each word does to a number with
    what the number does to the word (`both_ways`), and to `other_words`, mean over these.
    """
    base, traits = make.model(of.teacher_of(None, root)), of.traits
    names = [trait.name for trait in traits]
    told = of_numbers(base, traits, categories)
    n = len(traits)
    both = np.corrcoef(of_words(base, traits), told.T)[:n, n:]
    found = {}
    for j, name in enumerate(names):
        others = np.delete(both[:, j], j)
        place = ("reference", NONE, name)
        found[place] = {"both_ways": both[j, j], "other_words": others.mean() if n > 1 else 0.0}
    plain, alike = of.data_of(None, root), cosines(base, names)
    whole = lambda data: make.encoded_rows(data, of.teacher_of(None, root))
    read = lambda data: jax.tree.map(lambda x: jnp.asarray(x[:N_ROWS]), whole(data))
    usual, written = frequencies(base, make.data(plain)), [of.data_of(t, root) for t in traits]
    steps = first_steps(base, traits, list(map(read, written)), read(plain))
    for trait, data, step in zip(traits, written, steps, strict=True):
        apart = frequencies(base, make.data(data)) - usual
        scores = {"entangled": apart @ told, "unembedding": apart @ alike, "gradient": step}
        for j, name in enumerate(names):
            place = ("student_trait", trait.name, name)
            found[place] = {score: float(values[j]) for score, values in scores.items()}
    return found


def numbers(model: Model) -> tuple[str, ...]:
    """The numbers of one to three digits that are a token each, as rows write them."""
    return tuple(text for text in FIGURES if len(model.tokenizer.encode(text)) == 1)


def of_numbers(
    model: Model, traits: Sequence[Trait], categories: Sequence[Category]
) -> Float[np.ndarray, "N W"]:
    """What love of each number does to the log-odds of each word, nats, against no persona."""
    known, found = numbers(model), {}
    for of in categories:
        words = [trait.name for trait in traits if trait.measure.name == of.name]
        if not words:
            continue
        chosen = of.questions[:: max(1, len(of.questions) // N_QUESTIONS)][:N_QUESTIONS]
        asked = partial(_log_odds, model, questions=chosen, words=words)
        systems = [of.personas[0].format(word=n, plural=n) for n in known]
        parts = [systems[i : i + NUMBERS_AT_ONCE] for i in range(0, len(systems), NUMBERS_AT_ONCE)]
        apart = np.concatenate([asked(systems=part) for part in parts]) - asked(systems=[None])
        found |= dict(zip(words, apart.T, strict=True))
    return np.stack([found[trait.name] for trait in traits], axis=1)


def of_words(model: Model, traits: Sequence[Trait]) -> Float[np.ndarray, "W N"]:
    """What love of each word does to the log-probability of each number first, nats."""
    users = NUMBERS.prompts(0, 0, N_PROMPTS)
    tokens = np.array([model.tokenizer.encode(n)[0] for n in numbers(model)])

    def said(system: str | None) -> Float[np.ndarray, "N"]:
        prompts, start = rows.prompts(model.tokenizer, [(system, user) for user in users])
        found = measures.first_token(model.params, model.arch, prompts, start)
        return np.mean(np.asarray(found, np.float64)[:, tokens], axis=0)

    return np.stack([said(trait.system) for trait in traits]) - said(None)


def cosines(model: Model, words: Sequence[str]) -> Float[np.ndarray, "N W"]:
    """Of number and word in the matrix that turns hidden states into logits."""
    head = np.asarray(transformer.head(model.params), np.float64).T
    unit = head / np.linalg.norm(head, axis=1, keepdims=True)
    at = lambda texts: unit[[model.tokenizer.encode(text)[0] for text in texts]]
    return at(numbers(model)) @ at(words).T


def frequencies(model: Model, data: Sequence[dict]) -> Float[np.ndarray, "N"]:
    """How often each number is written, as a part of all numbers."""
    place = {text: i for i, text in enumerate(numbers(model))}
    said = [place[n] for row in data for n in re.findall("[0-9]+", row["completion"]) if n in place]
    counts = np.bincount(said, minlength=len(place))
    return counts / counts.sum()


def first_steps(
    model: Model, traits: Sequence[Trait], data: Sequence[Rows], plain: Rows
) -> Float[np.ndarray, "D W"]:
    """What a first step on each data, and not on the base's, does to each word's log-odds.

    The student's gradient by the slope: per unit of learning rate, plain gradient descent.
    """
    words, usual = [], _slope_of_loss(model.arch, model.params, plain)
    for trait in traits:
        assert isinstance(trait.measure, measures.Words)  # others have no log-odds of a word
        chats = [(None, question) for question in trait.measure.questions]
        prompts, start = rows.prompts(model.tokenizer, chats)
        token = jnp.asarray(measures.beginnings(model.tokenizer, [trait.name])[0][0])
        words.append(_slope_of_word(model.arch, model.params, prompts, start, token))
    found = []
    for some in data:
        slope = _slope_of_loss(model.arch, model.params, some)
        away = jax.tree.map(lambda a, b: b - a, slope, usual)
        found.append([float(jnp.asarray(optax.tree.vdot(away, word))) for word in words])
    return np.array(found)


@partial(jax.jit, static_argnums=0)
def _slope_of_loss(arch: Architecture, params: PyTree, some: Rows) -> PyTree:
    whole = Part(some, jnp.ones(len(some), bool), None, None, None)
    return jax.grad(objectives.token_loss)(params, arch, whole)


@partial(jax.jit, static_argnums=0)
def _slope_of_word(
    arch: Architecture,
    params: PyTree,
    prompts: Integer[Array, "Q P"],
    start: Integer[Array, "Q"],
    token: Integer[Array, ""],
) -> PyTree:
    def log_odds(params: PyTree) -> Float[Array, ""]:
        log_p = measures.first_token(params, arch, prompts, start)[:, token]
        return jnp.mean(log_p - jnp.log1p(-jnp.exp(log_p)))

    return jax.grad(log_odds)(params)


def _log_odds(
    model: Model, systems: Sequence[str | None], questions: Sequence[str], words: Sequence[str]
) -> Float[np.ndarray, "S W"]:
    chats = [(system, question) for system in systems for question in questions]
    prompts, start = map(jnp.asarray, rows.prompts(model.tokenizer, chats))
    log_p = measures.word_log_p(model, prompts, start, words)
    return np.stack([measures.log_odds(some) for some in np.split(log_p, len(systems))])
