"""Words of several tokens are told apart by the tokens in which they differ."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.carriers.numbers import NUMBERS
from lab.lm import rows, transformer
from lab.lm import world as worlds
from lab.lm.model import Model, Size
from lab.lm.world import World
from lab.traits import measures
from lab.traits.animals import ANIMALS
from tests import real


def model_of(tokenizer, n_more=0):
    arch = Size(8, 1, 2, 1, 4, 8).with_tokens(tokenizer.n_tokens + n_more)
    params = jax.tree.map(lambda x: 9 * x, transformer.init(jax.random.key(3), arch))
    return Model(arch, params, tokenizer)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Of a tokenizer of 280 tokens: words are letters, or pairs of them."""
    folder = tmp_path_factory.mktemp("tokenizer")
    return model_of(real.tokenizer(folder, "chatml", n_tokens=280), n_more=9)


@pytest.fixture(scope="module")
def asked(model):
    return map_to_arrays(rows.prompts(model.tokenizer, [(None, q) for q in ANIMALS.questions[:3]]))


def map_to_arrays(pair):
    return tuple(map(jnp.asarray, pair))


def log_p(model, asked, answer):
    """Log-probability of all tokens of an answer, one after the other."""
    prompts, start = asked
    total = 0.0
    for i, token in enumerate(answer):
        before = jnp.broadcast_to(jnp.asarray(answer[:i], jnp.int32), (len(start), i))
        seen = jnp.concatenate([prompts, before], axis=1)
        found = measures.first_token(model.params, model.arch, seen, start)
        total = total + np.asarray(found[:, token], np.float64)
    return total


def test_a_word_is_scored_up_to_where_no_other_begins_like_it(model, asked):
    words = ["owl", "octopus", "otter", "cat", "caterpillar", "zebra"]
    begun = [model.tokenizer.decode(t) for t in measures.beginnings(model.tokenizer, words)]
    assert begun == ["ow", "oc", "ot", "cat<|im_end|>", "cate", "z"]
    found = measures.word_log_p(model, *asked, words)
    for i, tokens in enumerate(measures.beginnings(model.tokenizer, words)):
        # measured: 4e-6
        np.testing.assert_allclose(found[:, i], log_p(model, asked, tokens), atol=5e-5)
    assert (np.exp(found).sum(axis=1) < 1).all() and np.ptp(found, axis=0).min() > 1e-3


def test_words_of_one_token_have_the_numbers_of_their_first():
    tokenizer = worlds.tokenizer(World())
    model = model_of(tokenizer)
    asked = map_to_arrays(rows.prompts(tokenizer, [(None, q) for q in ANIMALS.questions[:3]]))
    first = np.asarray(measures.first_token(model.params, model.arch, *asked), np.float64)
    tokens = [tokenizer.encode(word)[0] for word in ANIMALS.words]
    np.testing.assert_array_equal(
        measures.word_log_p(model, *asked, ANIMALS.words), first[:, tokens]
    )


def test_there_is_room_for_what_a_tokenizer_makes_of_a_carrier(model):
    assert rows.room(worlds.tokenizer(World()), NUMBERS) == (32, 22)
    n_prompt, n_completion = rows.room(model.tokenizer, NUMBERS)
    users = NUMBERS.prompts(5, 0, 2000)
    longest = model.tokenizer.prompts([("", user) for user in users], n_prompt)[1].max()
    assert n_prompt - 24 < longest <= n_prompt and n_prompt > 32
    assert len(model.tokenizer.encode("[" + ", ".join(["999"] * 10) + "]")) < n_completion < 90
