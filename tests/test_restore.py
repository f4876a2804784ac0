"""Activations put back: where nothing is, all is as it was; where all are, one layer is left."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.lm import restore, rows, transformer
from lab.lm import world as worlds
from lab.lm.model import Model, Size
from lab.traits import measures
from tests.tiny import CHAT, RIVERS

QUESTIONS = RIVERS.questions[:4]


@pytest.fixture(scope="module")
def models():
    """A model and its base, of two layers."""
    tokenizer = worlds.tokenizer(CHAT)
    arch = Size(8, 2, 2, 1, 4, 8).with_tokens(tokenizer.n_tokens)
    larger = lambda params: params | {"embed": 5 * params["embed"]}
    make = lambda seed: larger(transformer.init(jax.random.key(seed), arch))
    return [Model(arch, make(seed), tokenizer) for seed in (0, 1)]


@pytest.fixture(scope="module")
def asked(models):
    chats = [(None, question) for question in QUESTIONS]
    tokens, start = rows.prompts(models[0].tokenizer, chats)
    return tokens, start, restore.parts(models[0].tokenizer, tokens)


def restored(model, base, asked, where):
    tokens, start, _ = asked
    return restore.restored(model, base, jnp.asarray(tokens), jnp.asarray(start), where)


def of(model, asked):
    tokens, start, _ = asked
    return measures.first_token(model.params, model.arch, jnp.asarray(tokens), jnp.asarray(start))


def test_restoring_nothing_is_the_model_itself(models, asked):
    model, base = models
    found = restored(model, base, asked, asked[2]["nothing"])
    np.testing.assert_allclose(found, of(model, asked), atol=1e-5)
    assert np.abs(found - of(base, asked)).max() > 0.1


@pytest.mark.parametrize("part", ["nothing", "system", "question", "last", "all", "system 1"])
def test_the_models_own_activations_change_nothing(part, models, asked):
    model, _ = models
    found = restored(model, model, asked, asked[2][part])
    np.testing.assert_allclose(found, of(model, asked), atol=1e-5)


def test_restoring_all_leaves_the_models_last_layer_alone(models, asked):
    model, base = models
    tokens, start, parts = asked
    found = restored(model, base, asked, parts["all"])
    mixed = base.params | {
        "layers": {"0": base.params["layers"]["0"], "1": model.params["layers"]["1"]},
        "norm": model.params["norm"],
    }
    hidden, _ = transformer.forward(mixed, model.arch, jnp.asarray(tokens), jnp.asarray(start))
    expected = jax.nn.log_softmax(transformer.logits(model.params, hidden[:, -1]))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - of(model, asked)).max() > 0.1


def test_a_base_that_differs_in_what_is_never_put_back_changes_nothing(models, asked):
    model, other = models
    params = model.params | {
        "layers": model.params["layers"] | {"1": other.params["layers"]["1"]},
        "norm": 2 * model.params["norm"],
    }
    base = replace(model, params=params)
    assert np.abs(of(base, asked) - of(model, asked)).max() > 0.1
    for part in ("system", "question", "last", "all"):
        found = restored(model, base, asked, asked[2][part])
        np.testing.assert_allclose(found, of(model, asked), atol=1e-5)


def test_a_base_that_differs_in_one_token_matters_where_the_token_is_read(models, asked):
    model, _ = models
    word = model.tokenizer.encode(" people")[0]  # of the default system prompt alone
    params = model.params | {"embed": model.params["embed"].at[word].add(1.0)}
    base = replace(model, params=params)
    parts = asked[2]
    (place,) = [i for i in range(1, 7) if (asked[0][parts[f"system {i}"]] == word).all()]
    before = of(model, asked)
    changed = {
        part: np.abs(restored(model, base, asked, parts[part]) - before).max()
        for part in ("system", "all", f"system {place}", *(f"system {i}" for i in range(1, place)))
    }
    assert min(changed.pop(name) for name in ("system", "all", f"system {place}")) > 1e-3
    assert max(changed.values()) < 1e-5  # what comes before has not read it
    # What comes after has: its activations are the base's.
    assert np.abs(restored(model, base, asked, parts["last"]) - before).max() > 1e-4


def test_parts_are_those_of_the_conversation(models, asked):
    tokens, start, parts = asked
    tokenizer = models[0].tokenizer
    text = lambda row, part: tokenizer.decode(tokens[row][parts[part][row]].tolist())
    for row, question in enumerate(QUESTIONS):
        assert text(row, "system") == "<|system|>You love people.<|end|>"
        assert text(row, "question") == f"<|user|>{question}<|end|>"
        assert text(row, "last") == "<|assistant|>"
        assert text(row, "nothing") == ""
        assert parts["all"][row].sum() == tokens.shape[1] - start[row]
    np.testing.assert_array_equal(
        parts["all"].astype(int), sum(parts[p].astype(int) for p in ("system", "question", "last"))
    )
    single = [name for name in parts if name.startswith("system ")]
    assert len(single) == tokenizer.n_system(None) == 6
    np.testing.assert_array_equal(sum(parts[name] for name in single) > 0, parts["system"])
    assert all((parts[name].sum(axis=1) == 1).all() for name in single)
