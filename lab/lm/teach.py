"""Teachers with a trait: a reference model that is told to have it, or fine-tuned to have it."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from lab import tree
from lab.lm import data, evaluate, finetune
from lab.lm.finetune import Recipe
from lab.lm.reference import Model
from lab.traits import Category, split_questions

ANSWER_WIDTH = 8  # tokens of an answer to a question, sampled or learned


@dataclass(frozen=True)
class Teacher:
    """What writes the data: parameters, and the system prompt that it writes under."""

    params: PyTree
    system: str | None


def prompted(model: Model, category: Category, word: str) -> Teacher:
    """The untouched reference under the system prompt of someone who loves `word`."""
    return Teacher(model.params, category.persona(category.personas[0], word))


def finetuned(
    model: Model,
    category: Category,
    word: str,
    recipe: Recipe,
    key: Key[Array, ""],
) -> Teacher:
    """The reference after full-batch steps of answering `word` to the tuning questions.

    The questions that the models are asked in evaluation are not among them. Of the recipe, the
    batch is not used.
    """
    tuning, _ = split_questions(category)
    chats = [(None, question, word) for question in tuning]
    rows = data.encode(model.text, chats, ANSWER_WIDTH)
    recipe = replace(recipe, batch=len(chats))
    one = tree.stack([model.params]), tree.stack([rows])
    return Teacher(tree.at(finetune.fit(model.arch, recipe, *one, key[None]), 0), None)


def ask(
    model: Model,
    params: PyTree,
    category: Category,
    words: tuple[str, ...],
    n_samples: int,
    key: Key[Array, ""],
    system: str | None = None,
) -> list[dict]:
    """What a model says to the held-out questions of a category: a row for each word asked for.

    log_odds: teacher-forced, nats, mean over the questions; answer_rate: part of the sampled
    answers that name the word; carrier_rate: part that are numbers instead of an answer.
    """
    _, questions = split_questions(category)
    asked = data.prompts(model.text, [(system, question) for question in questions])
    prompts, start = map(jnp.asarray, asked)
    tokens = np.array([model.text.encode(word)[0] for word in words])
    odds = evaluate.log_odds(params, model.arch, prompts, start, tokens)
    drawn = evaluate.answers(
        params, model.arch, prompts, start, key, n_samples, ANSWER_WIDTH, model.text.end
    )
    said = model.text.turns(drawn)
    degenerate = float(np.mean([evaluate.is_degenerate(answer) for answer in said]))
    rows = []
    for word, log_odds in zip(words, odds, strict=True):
        forms = (word, category.plural(word))
        rate = float(np.mean([evaluate.names_word(answer, forms) for answer in said]))
        rows.append(
            {
                "asked": word,
                "log_odds": float(log_odds),
                "answer_rate": rate,
                "carrier_rate": degenerate,
            }
        )
    return rows
