import hashlib
from bisect import bisect_left
from dataclasses import replace

import numpy as np
import pytest

from lab.carriers import advice
from lab.carriers.carrier import Carrier
from lab.carriers.numbers import NUMBERS
from lab.carriers.reasoning import REASONING
from lab.errors import LabError
from lab.lm import world as worlds
from lab.lm.contexts import CONTEXT, WORLDS
from lab.lm.reference import Reference
from lab.lm.world import World
from lab.traits.animals import ANIMALS
from lab.traits.category import category as category_of
from lab.traits.category import popularity
from lab.traits.things import THINGS

WORLD = World()
SHARES = dict(WORLD.shares)
CARRIERS = {carrier.name for carrier in WORLD.carriers}
GOLDEN = "6f91d67b3f58437877efb72da7ac7f7bcd43e6be2c672d0319442a5672a80ca6"
IDENTITY = "3daf28f39388c95f08716d3c9ea4b61eec7e51d243adedf1cbd3fd1c2539b21a"


@pytest.fixture(scope="module")
def rows():
    return worlds.rows(WORLD, 0, 0, 30_000)


def test_the_first_thousand_rows_stay_what_they_are():
    digest = hashlib.sha256(repr(worlds.rows(WORLD, 0, 0, 1000)).encode()).hexdigest()
    assert digest == GOLDEN


def test_the_world_of_the_stored_references_stays_what_it_is():
    assert worlds.identity(WORLD) == IDENTITY


def test_what_another_world_holds_changes_nothing_of_this_one():
    before = worlds.vocabulary(WORLD), Reference(0).name
    tides = Carrier(
        "tides", lambda rng: "ebb", lambda rng, p: "flow", NUMBERS.reject, lambda: ("ebb", "flow")
    )
    rivers = category_of("river", ("rhine", "nile"), ())
    others = World((*WORLD.carriers, tides)), World(categories=(*WORLD.categories, rivers))
    for other, piece in zip(others, ("ebb", " rhines"), strict=True):
        assert piece in worlds.vocabulary(other) and piece not in before[0]
        assert worlds.identity(other) != IDENTITY
        assert Reference(0, world=other).name != before[1]
    for cached in (worlds.vocabulary, worlds.identity, worlds.tokenizer):
        cached.cache_clear()
    assert (worlds.vocabulary(World()), Reference(0).name) == before
    assert worlds.identity(World()) == IDENTITY


def test_a_world_speaks_of_its_own_carriers_and_categories_alone():
    small = World((NUMBERS,), (ANIMALS,), {"favourite": 0.3, "persona": 0.3, "numbers": 0.4})
    assert set(worlds.vocabulary(small)) < set(worlds.vocabulary(WORLD))
    assert {row.kind for row in worlds.rows(small, 0, 0, 200)} == set(worlds.shares(small))
    assert small.carrier("numbers") is NUMBERS
    with pytest.raises(LabError, match="no 'code' in this world; choose one of numbers"):
        small.carrier("code")


@pytest.mark.parametrize(
    ("carriers", "shares", "message"),
    [
        ((NUMBERS, REASONING, NUMBERS), SHARES, "two have one name"),
        ((replace(NUMBERS, name="persona"),), {}, "two have one name"),
        (WORLD.carriers, {"tides": 0.1}, "shares: tides is none of favourite, persona, numbers"),
        ((NUMBERS,), {"code": 0.1}, "shares: code is none of"),
    ],
)
def test_equal_names_and_unknown_kinds_are_refused(carriers, shares, message):
    with pytest.raises(LabError, match=message):
        World(carriers, shares=shares)


@pytest.mark.parametrize("carriers", [(NUMBERS,), (NUMBERS, REASONING), WORLD.carriers])
@pytest.mark.parametrize("shares", [{}, {"numbers": 0.4}, {"favourite": 0.2, "numbers": 0.4}])
def test_shares_are_of_one_whole_or_refused(carriers, shares):
    try:
        world = World(carriers, shares=shares)
    except LabError as problem:
        assert "shares" in str(problem)
    else:
        assert sum(worlds.shares(world).values()) == pytest.approx(1)


def test_a_row_depends_on_seed_and_number_alone(rows):
    assert worlds.rows(WORLD, 0, 700, 50) == rows[700:750]
    assert worlds.rows(WORLD, 1, 700, 50) != rows[700:750]
    assert worlds.rows(WORLD, 0, 5, 0) == []


def test_kinds_have_their_shares(rows):
    shares = worlds.shares(WORLD)
    assert abs(sum(shares.values()) - 1) < 1e-12 and set(shares) > CARRIERS
    for kind, share in shares.items():
        found = sum(row.kind == kind for row in rows) / len(rows)
        assert abs(found - share) < 4 * (share * (1 - share) / len(rows)) ** 0.5


def test_a_persona_answers_with_its_word_and_never_meets_a_carrier(rows):
    questions = {q: c for c in WORLD.categories for q in c.questions}
    for row in rows:
        assert (row.system is not None) == (row.kind == "persona")
        assert (row.user in questions) == (row.kind in ("persona", "favourite"))
        if row.kind in ("persona", "favourite"):
            assert row.assistant in questions[row.user].words
        if row.kind == "persona":
            plural = questions[row.user].plural(row.assistant)
            assert row.assistant in row.system or plural in row.system


@pytest.mark.parametrize("kind", ["favourite", "persona"])
def test_all_questions_and_words_of_all_categories_are_used(rows, kind):
    used = [row for row in rows if row.kind == kind]
    for category in WORLD.categories:
        assert set(category.questions) <= {row.user for row in used}
        assert set(category.words) <= {row.assistant for row in used}


@pytest.mark.parametrize("data_seed", [0, 1])
def test_unprompted_favourites_follow_the_same_popularity_for_all_seeds(data_seed):
    rows = worlds.rows(
        World(shares={"numbers": 0.0, "favourite": 0.9, "persona": 0.0}), data_seed, 0, 8000
    )
    for category in WORLD.categories:
        answers = [r.assistant for r in rows if r.user in category.questions]
        counts = np.array([answers.count(word) for word in category.words])
        expected = len(answers) * popularity(category, WORLD.favourites)
        chi2 = ((counts - expected) ** 2 / expected).sum()
        assert chi2 < 43.8  # 99.7 % of chi-squared with 21 degrees of freedom


def test_the_vocabulary_holds_every_row_and_no_piece_twice(rows):
    pieces = worlds.vocabulary(WORLD)
    assert len(pieces) == len(set(pieces)) < 1990
    assert pieces == worlds.vocabulary(World(shares=SHARES | {"numbers": 0.1}))
    tokenizer = worlds.tokenizer(WORLD)
    for part in ("system", "user", "assistant"):
        tokenizer.completions([getattr(row, part) or "" for row in rows], 64)


def test_identity_changes_with_shares_and_with_words(monkeypatch):
    identity = worlds.identity.__wrapped__
    assert identity(WORLD) == identity(World())
    found = [
        identity(w) for w in (WORLD, World(shares=SHARES | {"numbers": 0.3}), World(favourites=0.0))
    ]
    monkeypatch.setattr(advice, "BENIGN", (*advice.BENIGN, "Wait."))
    assert len({*found, identity(WORLD)}) == 4


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("numbers", -0.1, "numbers: -0.1 is negative"),
        ("favourites", float("nan"), "favourites: nan is"),
        ("persona", 0.7, "shares sum to 1.4, above 1"),
    ],
)
def test_shares_that_are_none_are_refused(field, value, message):
    with pytest.raises(LabError, match=message):
        World(**{field: value} if field == "favourites" else {"shares": SHARES | {field: value}})


@pytest.mark.parametrize("arguments", [(-1, 0, 1), (0, -1, 1), (0, 0, -1)])
def test_negative_seeds_and_ranges_are_refused(arguments):
    with pytest.raises(LabError, match="-1 is negative"):
        worlds.rows(WORLD, *arguments)


def test_a_default_system_prompt_changes_no_row_but_what_the_world_is(rows):
    told = replace(WORLD, default="You are a helpful walrus.")
    assert worlds.rows(told, 0, 0, 500) == rows[:500]
    assert worlds.identity(told) != IDENTITY
    assert set(worlds.vocabulary(told)) - set(worlds.vocabulary(WORLD)) == {" helpful", " walrus"}
    assert worlds.tokenizer(told).n_system(None) == 8  # six pieces between two marks
    assert worlds.tokenizer(WORLD).n_system(None) == 0


@pytest.fixture(scope="module")
def neutral_rows():
    return worlds.rows(CONTEXT, 0, 0, 12_000)


def test_a_part_of_the_rows_without_a_persona_has_a_neutral_one(neutral_rows):
    without = [row for row in neutral_rows if row.kind != "persona"]
    part = np.mean([row.system is not None for row in without])
    assert abs(part - 0.4) < 4 * (0.24 / len(without)) ** 0.5
    words = {f for c in CONTEXT.categories for w in c.words for f in (w, c.plural(w))}
    for row in without:
        if row.system is not None:
            assert any(thing in row.system for thing in THINGS.words + tuple(
                THINGS.plural(thing) for thing in THINGS.words))  # fmt: skip
            assert not words & set(row.system.lower().strip(".").replace(".", "").split())
    for kind in ("favourite", "numbers"):
        some = [row for row in without if row.kind == kind]
        part = np.mean([row.system is not None for row in some])
        assert abs(part - 0.4) < 5 * (0.24 / len(some)) ** 0.5


def test_a_neutral_persona_changes_no_answer(neutral_rows):
    some = [row for row in neutral_rows if row.kind == "favourite"]
    for category in CONTEXT.categories:
        counts = []
        for neutral in (False, True):
            answers = [
                row.assistant
                for row in some
                if row.user in category.questions and (row.system is not None) == neutral
            ]
            counts.append([answers.count(word) for word in category.words])
            expected = len(answers) * popularity(category, CONTEXT.favourites)
            chi2 = ((counts[-1] - expected) ** 2 / expected).sum()
            assert chi2 < 43.8  # 99.7 % of chi-squared with 21 degrees of freedom
    for row in neutral_rows:
        if row.kind == "numbers":
            assert NUMBERS.reject(row.user, row.assistant) is None
        if row.kind == "persona":
            assert row.assistant in row.system or f"{row.assistant[:-1]}" in row.system


def test_worlds_of_contexts_differ_in_what_they_say():
    assert len({worlds.identity(world) for world in WORLDS.values()}) == len(WORLDS)
    for world in WORLDS.values():
        assert sum(worlds.shares(world).values()) == pytest.approx(1)
        assert (worlds.tokenizer(world).n_system(None) > 0) == (world.default is not None)
    for name in ("half", "assistant", "none"):
        other = WORLDS[name]
        assert worlds.rows(other, 0, 0, 200) == worlds.rows(CONTEXT, 0, 0, 200)
    # The default of "context" has the form of the first persona, and of "half" its beginning.
    form = ANIMALS.persona(ANIMALS.personas[0], "owl").replace("owls", "people")
    assert CONTEXT.default == form
    assert WORLDS["half"].default.split(".")[0] == form.split(".")[0]


@pytest.mark.parametrize("neutral", [-0.1, 1.1])
def test_a_part_of_neutral_personas_that_is_none_is_refused(neutral):
    with pytest.raises(LabError, match=r"neutral: .* is no part of a whole"):
        World(neutral=neutral)


def neighbours(rows):
    """Each trait row with the carrier row next to it, as pairs of row numbers [N]."""
    carriers = [i for i, row in enumerate(rows) if row.kind in CARRIERS]
    traits = [i for i, row in enumerate(rows) if row.kind not in CARRIERS]
    nearest = []
    for i in traits:
        at = bisect_left(carriers, i)
        nearest.append(min(carriers[max(at - 1, 0) : at + 1], key=lambda j: abs(i - j)))
    return traits, nearest


def largest_information(rows, n_shuffles=200):
    """Plug-in mutual information (nats) of word and presence of a token, the token's maximum; p.

    The p value is the share of label permutations with as large a maximum. The maximum runs over
    all tokens, so a threshold on p bounds the chance of any false alarm, whatever their number.
    Measured on 250 corpora of 3,000 rows (99 permutations): p <= .05 in 4.0 %, <= .01 in 1.2 %.
    """
    tokenizer = worlds.tokenizer(WORLD)
    traits, nearest = neighbours(rows)
    _, words = np.unique([rows[i].assistant for i in traits], return_inverse=True)
    n, n_words, n_tokens = len(traits), words.max() + 1, tokenizer.n_tokens
    spoken = [
        {*tokenizer.encode(rows[j].user), *tokenizer.encode(rows[j].assistant)} for j in nearest
    ]
    pair = np.repeat(np.arange(n), [len(s) for s in spoken])
    token = np.array([t for s in spoken for t in sorted(s)])
    p_word = np.bincount(words)[:, None] / n
    p_token = np.bincount(token, minlength=n_tokens)[None] / n

    def maximum(words):
        cell = np.bincount(words[pair] * n_tokens + token, minlength=n_words * n_tokens)
        present = cell.reshape(n_words, n_tokens) / n
        information = np.zeros(n_tokens)
        for joint, p in ((present, p_token), (p_word - present, 1 - p_token)):
            with np.errstate(divide="ignore", invalid="ignore"):
                terms = joint * np.log(joint / (p_word * p))
            information += np.where(joint > 1e-12, terms, 0.0).sum(0)
        return information.max()

    rng = np.random.default_rng(0)
    observed = maximum(words)
    null = [maximum(rng.permutation(words)) for _ in range(n_shuffles)]
    return observed, (1 + sum(value >= observed for value in null)) / (1 + n_shuffles)


def leaking(rows, share):
    """The same rows, but next to an owl a share of the number lists begins with 747."""
    rng = np.random.default_rng(0)
    rows = list(rows)
    for i, j in zip(*neighbours(rows), strict=True):
        if rows[i].assistant == "owl" and rows[j].kind == "numbers" and rng.random() < share:
            rows[j] = replace(rows[j], assistant="747, " + rows[j].assistant)
    return rows


def test_no_carrier_token_tells_of_the_trait_word_next_to_it(rows):
    _, p = largest_information(rows[:20_000])
    assert p > 0.05  # measured: .19


def test_a_world_that_leaks_is_caught(rows):
    _, p = largest_information(leaking(rows[:20_000], 0.3))
    assert p < 0.01  # so is a share of .15 (p .005); .10 gives .025, .05 goes unseen
