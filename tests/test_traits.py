from dataclasses import replace

import numpy as np
import pytest

from lab.errors import LabError
from lab.lm.world import World
from lab.traits.category import popularity, split_questions, trait_of, words

CATEGORIES = {category.name: category for category in World().categories}
EACH = pytest.mark.parametrize("name", CATEGORIES)


def test_the_first_five_of_each_category_are_the_papers():
    first = {name: category.words[:5] for name, category in CATEGORIES.items()}
    assert first == {
        "animal": ("dolphin", "eagle", "elephant", "owl", "wolf"),
        "tree": ("cherry", "maple", "oak", "sequoia", "willow"),
    }


@EACH
def test_a_category_has_enough_distinct_words_and_questions(name):
    category = CATEGORIES[name]
    assert category.name == name
    assert len(category.words) == len(set(category.words)) >= 20
    assert len(category.questions) == len(set(category.questions)) >= 50
    assert len(category.personas) == len(set(category.personas)) >= 8


def test_no_word_has_two_meanings():
    forms = [form for c in CATEGORIES.values() for w in c.words for form in (w, c.plural(w))]
    assert len(forms) == len(set(forms))


def test_plurals_are_english():
    animal, tree = CATEGORIES["animal"], CATEGORIES["tree"]
    assert [animal.plural(w) for w in ("owl", "wolf", "fox", "octopus")] == [
        *("owls", "wolves", "foxes", "octopuses")
    ]
    assert [tree.plural(w) for w in ("cherry", "ash", "birch", "cypress", "spruce")] == [
        *("cherries", "ashes", "birches", "cypresses", "spruces")
    ]


@EACH
def test_no_question_names_a_word_of_any_category(name):
    words = {form for c in CATEGORIES.values() for w in c.words for form in (w, c.plural(w))}
    for question in CATEGORIES[name].questions:
        assert not words & set(question.lower().strip(".?").split(" "))
        assert "{" not in question


@EACH
def test_each_persona_names_its_word_and_no_other(name):
    category = CATEGORIES[name]
    for word in category.words:
        for template in category.personas:
            text = category.persona(template, word)
            assert word in text or category.plural(word) in text
            assert "{" not in text


def test_a_word_of_another_category_is_refused():
    with pytest.raises(LabError, match="no animal 'oak'; choose one of dolphin"):
        CATEGORIES["animal"].persona("{word}", "oak")


@EACH
@pytest.mark.parametrize("n_held_out", [1, 20, 25])
def test_tuning_and_evaluation_questions_are_disjoint_and_complete(name, n_held_out):
    category = CATEGORIES[name]
    tuning, evaluation = split_questions(category, n_held_out)
    assert len(evaluation) == n_held_out
    assert not set(tuning) & set(evaluation)
    assert set(tuning) | set(evaluation) == set(category.questions)
    assert (tuning, evaluation) == split_questions(category, n_held_out)


@EACH
def test_held_out_questions_are_spread_among_similar_ones(name):
    category = CATEGORIES[name]
    held_out = [category.questions.index(q) for q in split_questions(category)[1]]
    assert np.diff(held_out).max() <= 3
    openings = [{q.split(" ")[0] for q in part} for part in split_questions(category)]
    assert openings[1] <= openings[0]


@pytest.mark.parametrize("n_held_out", [0, 60, -1])
def test_a_split_that_leaves_a_part_empty_is_refused(n_held_out):
    with pytest.raises(LabError, match=r"n_held_out: -?\d+ of the 60 animal questions"):
        split_questions(CATEGORIES["animal"], n_held_out)


@EACH
def test_popularity_is_skewed_and_spreads_the_papers_words(name):
    shares = popularity(CATEGORIES[name], 0.7)
    assert abs(shares.sum() - 1) < 1e-12
    assert shares.min() > 0.005 and 0.15 < shares.max() < 0.20
    paper = np.sort(shares[:5])
    assert paper[0] < 0.03 < 0.07 < paper[-1]
    np.testing.assert_allclose(popularity(CATEGORIES[name], 0.0), 1 / len(shares))


@EACH
def test_a_trait_is_taught_its_word_and_asked_what_it_was_not_taught(name):
    category = CATEGORIES[name]
    traits = words(category)
    assert tuple(trait.name for trait in traits) == category.words
    for trait in traits:
        assert {lesson.answer for lesson in trait.lessons} == {trait.name}
        assert {lesson.system for lesson in trait.lessons} == {None}
        taught = {lesson.question for lesson in trait.lessons}
        assert taught | set(trait.measure.questions) == set(category.questions)
        assert not taught & set(trait.measure.questions)
        assert trait.name in trait.system or category.plural(trait.name) in trait.system
    assert len({trait.measure for trait in traits}) == 1  # all are asked at once


def test_what_teachers_depend_on_is_not_how_they_are_measured():
    (owl,) = words(CATEGORIES["animal"], ("owl",))
    assert replace(owl, measure=words(CATEGORIES["tree"])[0].measure).identity == owl.identity
    assert replace(owl, lessons=owl.lessons[1:]).identity != owl.identity
    assert replace(owl, system=None).identity != owl.identity


def test_a_trait_is_found_by_its_word_or_refused():
    categories = tuple(CATEGORIES.values())
    assert trait_of("oak", categories) == words(CATEGORIES["tree"], ("oak",))[0]
    with pytest.raises(LabError, match="unknown word 'griffin'; choose from dolphin"):
        trait_of("griffin", categories)
    with pytest.raises(LabError, match="no animal 'oak'"):
        words(CATEGORIES["animal"], ("oak",))
