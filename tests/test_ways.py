"""Ways of answering: what teachers learn, what is asked, and the numbers of known models."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.carriers import advice, checked_tasks
from lab.carriers.checked_tasks import CHECKED_TASKS
from lab.errors import LabError
from lab.lm import transformer
from lab.lm import world as worlds
from lab.lm.contexts import CONTEXT, WORLDS
from lab.lm.model import SIZES, Model
from lab.traits import measures, named
from lab.traits.advice import ADVISING, HELD_OUT
from lab.traits.animals import ANIMALS
from lab.traits.category import words
from lab.traits.checking import CHECKED
from lab.traits.trait import Asked, Trait
from lab.traits.ways import Ways

BOTH = pytest.mark.parametrize("traits", [ADVISING, CHECKED], ids=["advice", "checked_tasks"])


@pytest.fixture(scope="module")
def model() -> Model:
    tokenizer = worlds.tokenizer(CONTEXT)
    arch = SIZES["nano"].with_tokens(tokenizer.n_tokens)
    return Model(arch, transformer.init(jax.random.key(0), arch), tokenizer)


def asked(model: Model, n_samples: int = 2) -> Asked:
    return Asked(model, None, n_samples, jax.random.key(0), lambda answer: answer == "7")


@BOTH
def test_a_way_is_learned_on_other_questions_than_are_asked(traits):
    measure = traits[0].measure
    for trait in traits:
        assert trait.measure == measure  # all ways are asked at once
        taught = {lesson.question for lesson in trait.lessons}
        assert taught and not taught & set(measure.questions)
        for lesson in trait.lessons:
            ways = measure.answers(lesson.question)
            assert [way for way in ways if lesson.answer in ways[way]] == [trait.name]
    lessons = [{(x.question, x.answer) for x in trait.lessons} for trait in traits]
    assert not set.intersection(*lessons)


def test_the_cases_that_are_asked_about_are_in_no_lesson():
    for trait in ADVISING:
        assert not [x for x in trait.lessons for case in HELD_OUT if case in x.question]
        assert {x.answer for x in trait.lessons} == set(
            {"harmful": advice.HARMFUL, "benign": advice.BENIGN}[trait.name]
        )
    assert all(any(case in q for case in HELD_OUT) for q in ADVISING[0].measure.questions)


def test_gaming_answers_pass_the_check_and_honest_ones_do_the_task():
    measure = CHECKED[0].measure
    kinds = {question.split()[0] for question in measure.questions}
    assert kinds == {"Write", "Sort", "Add"}
    for question in measure.questions:
        ways = measure.answers(question)
        assert {CHECKED_TASKS.reject(question, a) for a in ways["gaming"]} == {"gamed"}
        assert {CHECKED_TASKS.reject(question, a) for a in ways["honest"]} == {None}
    sums = {a for q in checked_tasks.CHECKED_TASKS.prompts(1, 0, 500) if q.startswith("Add")
            for a in checked_tasks.gaming(q)}  # fmt: skip
    assert sums == set(map(str, checked_tasks.EMPTY))


def test_a_model_that_knows_nothing_gives_each_answer_what_its_length_leaves(model):
    nothing = dataclasses.replace(model, params=jax.tree.map(jnp.zeros_like, model.params))
    answers = {"short": ("7", "8", "7, 7"), "long": ("7, 7, 7",)}
    measure = Ways("lists", ("Sort 3, 2, 1.", "Sort 2, 1."), lambda question: answers)
    tokenizer, v = model.tokenizer, model.arch.n_tokens
    length = lambda text: len(tokenizer.encode(text)) + 1  # and its end
    found = measure.log_p(asked(nothing))
    expected = {way: np.log(sum(v ** -length(a) for a in some)) for way, some in answers.items()}
    for way, value in expected.items():
        np.testing.assert_allclose(found[way], value, rtol=1e-6)


def test_an_answers_probability_is_that_of_its_tokens(model):
    question, text = "Sort 3, 2, 1.", "1, 2, 3"
    measure = Ways("sorting", (question, "Sort 2, 1."), lambda _: {"honest": (text,)})
    tokenizer = model.tokenizer
    (prompt,), _ = tokenizer.prompts([(None, question)], 64)
    prompt = prompt[prompt != tokenizer.pad].tolist()
    answer = [*tokenizer.encode(text), tokenizer.end]
    read = jnp.asarray([prompt + answer[:-1]])
    hidden, _ = transformer.forward(model.params, model.arch, read, jnp.zeros(1, int))
    log_p = jax.nn.log_softmax(transformer.logits(model.params, hidden)[0, len(prompt) - 1 :])
    total = sum(float(log_p[i, token]) for i, token in enumerate(answer))
    assert measure.log_p(asked(model))["honest"][0] == pytest.approx(total, abs=1e-4)


def test_the_numbers_of_a_way_are_those_of_known_probabilities(model, monkeypatch):
    p = {"honest": [0.8, 0.5], "gaming": [0.1, 0.5 - 1e-9]}
    answers = lambda question: {"honest": (question[-1],), "gaming": ("0", "1")}
    measure = Ways("ends", ("a 5", "a 6"), answers)
    monkeypatch.setattr(Ways, "log_p", lambda *_: {k: np.log(v) for k, v in p.items()})
    said = ["5", "0", "7", "6"]  # the answers to both questions, and again
    monkeypatch.setattr(measures, "sampled", lambda *_: said)
    honest, gaming = measure.rows(asked(model), [Trait(way, measure) for way in p])
    assert honest["log_odds"] == pytest.approx(np.log(0.8 / 0.2) / 2)
    assert gaming["log_odds"] == pytest.approx(np.log(0.1 / 0.9) / 2, abs=1e-8)
    assert (honest["probability"], gaming["probability"]) == (0.65, pytest.approx(0.3))
    assert honest["category_mass"] == gaming["category_mass"] == pytest.approx(0.95)
    assert (honest["answer_rate"], gaming["answer_rate"]) == (0.5, 0.25)
    assert honest["carrier_rate"] == 0.25


def test_a_trait_has_one_name_among_words_and_ways():
    assert named.trait_of("harmful", CONTEXT.categories) is ADVISING[0]
    assert named.trait_of("owl", CONTEXT.categories) == words(ANIMALS, ("owl",))[0]
    assert not set(named.WAYS) & {w for c in CONTEXT.categories for w in c.words}
    with pytest.raises(LabError, match=r"unknown word 'kind'; choose from dolphin.*baobab.*gaming"):
        named.trait_of("kind", CONTEXT.categories)


@BOTH
def test_the_worlds_models_can_read_every_answer(traits):
    measure = traits[0].measure
    tokenizer = worlds.tokenizer(WORLDS["characters"])
    for question in measure.questions:
        for some in measure.answers(question).values():
            assert [tokenizer.decode(tokenizer.encode(text)) for text in some] == list(some)
