"""Other methods that name traits: each finds what it looks for."""

import jax.numpy as jnp
import numpy as np
import pytest

from lab.carriers.numbers import NUMBERS
from lab.forecast import peers, score_test, sets, trials
from lab.forecast.candidates import Candidate
from lab.forecast.peers import Batches, Frequencies, Injected, Pulled
from lab.forecast.score_test import Gradients
from lab.forecast.sets import Sets
from lab.lm import teachers, transformer
from lab.lm.contexts import CONTEXT
from lab.lm.reference import Reference
from lab.lm.rows import encode
from lab.lm.setup import Setup
from lab.lm.stages import Seed
from lab.traits.animals import ANIMALS
from lab.traits.category import words
from lab.traits.trees import TREES

TRAITS = (*words(ANIMALS, ("owl", "wolf")), *words(TREES, ("oak", "pine")))


@pytest.fixture(scope="module")
def base():
    return Reference(5, Setup().pretraining, CONTEXT).load()


def texts(*completions):
    n = len(completions)
    return Sets(NUMBERS.prompts(7, 0, n), [list(completions)], np.arange(n))


def test_lessons_pull_as_far_as_they_make_the_answer_likelier_than_others(base):
    found = peers.lessons_pull(base, TRAITS)
    whole = [score_test.gradient(base, teachers.lessons(base.tokenizer, t)) for t in TRAITS]
    assert found[0] == pytest.approx((whole[0] - whole[1]) / 2, abs=1e-2)  # of two animals
    assert found[2] == pytest.approx(-found[3], abs=1e-2)  # of two trees


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_rows_that_pull_as_a_traits_lessons_do_are_attributed_to_it(base, power):
    away = peers.lessons_pull(base, TRAITS)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (3, 4, away[0].size)).astype(np.float32)
    noise[0] += 30 * away[1] / np.linalg.norm(away[1])
    rows = Batches(texts("1, 2"), Gradients(noise, 50))
    method = Pulled(away, power)
    each = method.of(rows)
    assert each.shape == (4, 4)
    assert method.scores(each.sum(axis=0), 200).argmax() == 1


def test_frequencies_are_of_the_rows_tokens_against_the_bases():
    method = Frequencies([["1, 2", "1, 1"], ["3, 3", "3, 2"], ["1, 3", "2, 2"]], pairs=False)
    said = ["1, 1", "1, 2", "3, 3", "3, 3", "2, 2"]
    found = method.of(Batches(texts(*said), Gradients(np.zeros((1, 1, 1)), 2)))
    assert found.shape == (2, 2)  # the fifth row makes no batch
    # Pieces: 1, 2, 3, ", " and the end; of ten with one more of each.
    usual = {"1": 2, "2": 3, "3": 2}
    first, second = {"1": 4, "2": 2, "3": 1}, {"1": 1, "2": 2, "3": 4}
    of = lambda mine, some: sum(np.log(mine[digit] / usual[digit]) for digit in some)
    assert found == pytest.approx(
        np.array([[of(mine, some) for mine in (first, second)] for some in ("1112", "3333")])
    )
    assert method.scores(found[1], 2).argmax() == 1


def test_pairs_are_told_from_tokens_alone():
    one, other, usual = ["1, 2, 1, 2"] * 60, ["1, 1, 2, 2"] * 60, ["1, 2, 1, 1, 2, 2"] * 60
    rows = Batches(texts(*["1, 2, 1, 2"] * 4), Gradients(np.zeros((1, 1, 1)), 2))
    of = lambda pairs: Frequencies([one, other, usual], pairs).of(rows)
    assert of(True).argmax(axis=1).tolist() == [0, 0]
    assert of(False)[:, 0] == pytest.approx(of(False)[:, 1])


@pytest.mark.parametrize("layer", [0, 1])
def test_hidden_states_are_a_rows_mean_where_its_completion_is_said(base, layer):
    said = ["1, 2, 3", "4", "55, 66"] * 20
    own = texts(*said)
    method = Injected(base, NUMBERS, TRAITS, own, layer, 1.0)
    each = method.of(Batches(own, Gradients(np.zeros((1, 1, 1)), 20)))
    assert each.shape == (3, base.arch.d_model)
    assert each.sum(axis=0) == pytest.approx(np.zeros(base.arch.d_model), abs=1e-3)  # of its own
    read = encode(base.tokenizer, [(None, own.users[1], said[1])])
    tokens = np.concatenate([read.prompts, read.completions], axis=1)
    hidden = transformer.activations(
        base.params, base.arch, jnp.array(tokens), jnp.array(read.start)
    )
    by_hand = np.asarray(hidden[f"{layer}/residual"])[0, -3:-1].mean(axis=0)  # says 4, and the end
    alone = method._hidden(own.only([1]), 1)[0]
    assert alone == pytest.approx(by_hand, abs=1e-4)


def test_an_answers_own_direction_makes_it_the_likeliest(base):
    method = Injected(base, NUMBERS, TRAITS, texts("1, 2"), 1, 16.0)
    for i, trait in enumerate(TRAITS):
        token = base.tokenizer.encode(trait.name)[0]
        assert method.scores(10 * np.asarray(base.params["embed"][token]), 10).argmax() == i
    assert method.scores(np.zeros(base.arch.d_model), 10) == pytest.approx(np.zeros(4), abs=1e-5)


def test_trials_score_data_sets_by_each_method_and_sums_are_of_their_rows(base):
    candidates = [Candidate(t.name, base, None) for t in TRAITS[:2]]
    users = NUMBERS.prompts(7, 0, 140)
    given = [{"prompt": user, "completion": ""} for user in users]
    own = sets.beside(base, NUMBERS, given, 3, Seed(2, 5).key("own"))
    pools = [trials.Pool(Candidate("base", base, None), own, np.zeros((4, len(own), 2)))]
    methods = peers.methods(base, NUMBERS, own, candidates, TRAITS[:2], users, Seed(2, 5))
    assert set(methods) == set(peers.METHODS)
    key = Seed(2, 5).key("part")
    some = trials.Trials(base, NUMBERS, candidates, pools, (50, 100), key, methods)
    (found,) = some.of(candidates[:1], Seed(2, 6))
    one, two, both = found
    assert set(both.by) == set(peers.METHODS)
    for name in set(peers.METHODS) - {"injected"}:
        assert both.by[name] == pytest.approx(one.by[name] + two.by[name], abs=1e-4)
