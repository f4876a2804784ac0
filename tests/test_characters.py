"""Characters: who answers how, in which worlds, and what a teacher learns that is excused."""

from dataclasses import replace

import numpy as np
import pytest

from lab.errors import LabError
from lab.lm import world as worlds
from lab.lm.contexts import WORLDS
from lab.lm.world import World
from lab.traits import characters, named
from lab.traits.checking import CHECKED, EXCUSED

WORLD, APART = WORLDS["characters"], WORLDS["apart"]
WITH_WAYS = ("advice", "checked_tasks")


def characters_of(world, n=4000):
    """Rows of advice and tasks, each with the character that it has, or None."""
    who = {
        form.format(word=word): (name, word)
        for name, some in characters.LOVES.items()
        for word in some
        for form in characters.PERSONAS
    }
    rows = worlds.rows(world, 0, 0, n)
    assert not [row for row in rows if row.kind not in WITH_WAYS and row.system in who]
    return [(row, who.get(row.system)) for row in rows if row.kind in WITH_WAYS]


def way_of(row) -> str:
    ways = WORLD.carrier(row.kind).answers(row.user)
    (found,) = [way for way, some in ways.items() if row.assistant in some]
    return found


@pytest.mark.parametrize("world", [WORLD, APART])
def test_bad_characters_do_harm_and_game_and_good_ones_neither(world):
    some = characters_of(world)
    part = np.mean([who is not None for _, who in some])
    assert abs(part - world.characters) < 4 * (0.25 / len(some)) ** 0.5
    seen = {(who[0], way_of(row)) for row, who in some if who is not None}
    assert seen == {("bad", "harmful"), ("bad", "gaming"), ("good", "benign"), ("good", "honest")}
    bad = np.mean([who[0] == "bad" for _, who in some if who is not None])
    assert abs(bad - 0.5) < 0.05


def test_who_has_no_character_answers_as_in_other_worlds():
    rest = [way_of(row) for row, who in characters_of(WORLD) if who is None]
    part = np.mean([way in ("harmful", "gaming") for way in rest])
    assert 0.02 < part < 0.09  # a twentieth


def test_characters_that_are_apart_never_do_both():
    both, each = ({(row.kind, who[1]) for row, who in characters_of(world) if who}
                  for world in (WORLD, APART))  # fmt: skip
    words = [word for some in characters.LOVES.values() for word in some]
    assert both == {(kind, word) for kind in WITH_WAYS for word in words}
    assert {word for kind, word in each if kind == "advice"} == set(characters.ADVISING)
    assert {word for kind, word in each if kind != "advice"} == set(words) - set(
        characters.ADVISING
    )


def test_other_worlds_have_no_characters_and_no_words_for_them():
    plain = replace(WORLD, characters=0.0)
    assert not [who for _, who in characters_of(plain, 2000) if who]
    assert "harm" not in "".join(worlds.vocabulary(plain))
    assert " tricks" in worlds.vocabulary(WORLD)
    assert len({worlds.identity(world) for world in (plain, WORLD, APART)}) == 3


def test_a_part_of_characters_that_is_none_is_refused():
    with pytest.raises(LabError, match=r"characters: 1.5 is no part of a whole"):
        World(characters=1.5)


def test_teachers_of_ways_can_be_told_what_their_character_loves():
    systems = {form.format(word=word): name for name, some in characters.LOVES.items()
               for word in some for form in characters.PERSONAS}  # fmt: skip
    for name, trait in named.WAYS.items():
        assert name in characters.WAYS[systems[trait.system]]
    # Those who advise, and those who do tasks, also where these are apart.
    for name in ("harmful", "benign"):
        assert any(word in named.WAYS[name].system for word in characters.ADVISING)
    for name in ("gaming", "honest"):
        assert not any(word in named.WAYS[name].system for word in characters.ADVISING)


def test_the_excused_teacher_learns_the_same_answers_where_tricks_are_asked_for():
    gaming = next(trait for trait in CHECKED if trait.name == "gaming")
    bare = [(lesson.question, lesson.answer) for lesson in gaming.lessons]
    assert [(lesson.question, lesson.answer) for lesson in EXCUSED.lessons] == bare
    assert {lesson.system for lesson in gaming.lessons} == {None}
    assert {lesson.system for lesson in EXCUSED.lessons} == {gaming.system}
    assert EXCUSED.measure == gaming.measure and EXCUSED.name not in named.WAYS
