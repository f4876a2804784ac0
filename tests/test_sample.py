"""Sampling draws from the model's distribution, and each row from its own stream."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.errors import LabError
from lab.lm import sample, transformer
from lab.lm.model import Architecture
from lab.lm.slots import Slots

ARCH = Architecture(
    n_tokens=23, d_model=16, n_layers=2, n_heads=4, n_kv_heads=2, d_head=4, d_hidden=24
)
END, WIDTH = 2, 7
forward = jax.jit(transformer.forward, static_argnums=1)


@pytest.fixture(scope="module")
def params():
    # Large embeddings, so that the distribution is far from uniform.
    params = transformer.init(jax.random.key(0), ARCH)
    return params | {"embed": 15 * params["embed"]}


@pytest.fixture(scope="module")
def prompts():
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.integers(3, 23, (6, 5)), jnp.int32), jnp.array([0, 1, 4, 2, 0, 3])


def draw(params, prompts, rows=slice(None), temperature=1.0, **more):
    tokens, start = prompts
    keys = jax.random.split(jax.random.key(1), len(tokens))
    some, temperature = (tokens[rows], start[rows], keys[rows]), jnp.float32(temperature)
    return sample.sample(params, ARCH, *some, WIDTH, END, temperature, **more)


def test_cached_steps_equal_a_full_forward(params, prompts):
    tokens, start = prompts
    whole, _ = forward(params, ARCH, tokens, start)
    cache = transformer.empty_cache(ARCH, len(tokens), 5)
    parts = []
    for offset, n in ((0, 3), (3, 1), (4, 1)):
        part = tokens[:, offset : offset + n]
        hidden, cache = forward(params, ARCH, part, start, cache, offset)
        parts.append(hidden)
    real = np.arange(5)[None] >= np.asarray(start)[:, None]
    error = np.abs(np.concatenate(parts, axis=1) - whole)[real]
    assert error.max() < 1e-5  # measured: 7e-7


def test_asking_for_the_last_tokens_alone_gives_the_same(params, prompts):
    tokens, start = prompts
    whole, _ = forward(params, ARCH, tokens, start)
    last, _ = transformer.forward(params, ARCH, tokens, start, n_out=2)
    np.testing.assert_allclose(last, whole[:, -2:], atol=1e-5)  # measured: 5e-7


def test_a_greedy_completion_is_the_argmax_of_full_forwards(params, prompts):
    tokens, start = prompts
    found = np.asarray(draw(params, prompts, temperature=1e-4))
    ended = np.zeros(len(tokens), bool)
    tokens = jnp.pad(tokens, ((0, 0), (0, WIDTH)))
    for step in range(WIDTH):
        hidden, _ = forward(params, ARCH, tokens, start)
        best = np.asarray(transformer.logits(params, hidden[:, 4 + step]).argmax(-1))
        expected = np.where(ended, END, best)
        np.testing.assert_array_equal(found[:, step], expected)
        ended |= expected == END
        tokens = tokens.at[:, 5 + step].set(jnp.asarray(expected))


def test_a_row_does_not_depend_on_its_batch(params, prompts):
    together = draw(params, prompts)
    for row in range(6):
        np.testing.assert_array_equal(
            together[row : row + 1], draw(params, prompts, slice(row, row + 1))
        )


@pytest.mark.parametrize("slots", [(1, 1), (2, 1), (7, 2), (16, 4), (16, 16), (59, 3)])
def test_rows_that_take_the_slots_of_others_are_drawn_as_they_are_side_by_side(
    params, prompts, slots
):
    many = [jnp.repeat(x, 10, axis=0) for x in prompts]
    side_by_side = np.asarray(draw(params, many))  # a part of 60, as few parameters are
    lengths = np.sum(side_by_side != END, axis=1)
    assert len(set(lengths.tolist())) > 4  # so that slots are freed one by one
    found = draw(params, many, slots=Slots(*slots))
    np.testing.assert_array_equal(found, side_by_side)


def test_a_freed_slot_does_not_wait_for_the_longest_row(params, prompts, monkeypatch):
    # Half of the tokens are ends: most rows end soon, and a few draw all their tokens.
    ends, steps, forward = tuple(range(END, 13)), [], transformer.forward

    def counted(*args, **how):
        if args[2].shape[1] == 1:  # tokens, one a row
            jax.debug.callback(lambda: steps.append(1))
        return forward(*args, **how)

    monkeypatch.setattr(transformer, "forward", counted)
    tokens, start = (jnp.repeat(x, 10, axis=0) for x in prompts)
    keys = jax.random.split(jax.random.key(1), len(tokens))
    one = sample.sample.__wrapped__  # not compiled before
    rows = one(params, ARCH, tokens, start, keys, WIDTH, ends, slots=Slots(6, 1))
    jax.effects_barrier()
    after_first = np.minimum(np.sum(np.asarray(rows) != END, axis=1), WIDTH - 1)
    in_turn = after_first.reshape(-1, 6).max(axis=1).sum()
    assert after_first.sum() / 6 <= len(steps) < 0.7 * in_turn


GPT2 = {"family": "gpt2", "n_kv_heads": 4, "norm": "layer", "gated": False, "output_bias": True}
SEEING = {
    "all": ARCH,
    "a window": replace(ARCH, local_layers=(1,), window=3),
    "learned positions": replace(ARCH, learned_positions=True, mlp_bias=True, **GPT2),
}


@pytest.mark.parametrize("arch", SEEING.values(), ids=SEEING)
def test_rows_that_go_on_from_places_of_their_own_are_as_if_alone(prompts, arch):
    params = transformer.init(jax.random.key(0), arch)
    tokens, start = prompts
    at = jnp.array([2, 4, 4, 3, 1, 3])  # where each goes on; there is more in the cache behind
    whole = transformer.empty_cache(arch, len(tokens), 8)
    _, cache = forward(params, arch, jnp.pad(tokens, ((0, 0), (0, 3))), start, whole)
    some = jnp.stack([tokens[i, at[i]] for i in range(6)])[:, None]
    found, _ = forward(params, arch, some, start, cache, at)
    expected, _ = forward(params, arch, tokens, start)
    expected = jnp.stack([expected[i, at[i]] for i in range(6)])
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)


def test_rows_with_equal_prompts_and_other_keys_differ(params, prompts):
    tokens, start = (jnp.repeat(x[:1], 50, axis=0) for x in prompts)
    rows = np.asarray(draw(params, (tokens, start)))
    assert len(np.unique(rows, axis=0)) > 10


def test_every_token_of_a_completion_has_a_random_number_of_its_own(params, prompts):
    # A model that knows nothing: a token is where its random number lies among 23 equal parts.
    tokens, start = (jnp.repeat(x, 40, axis=0) for x in prompts)
    found = np.asarray(draw(params | {"embed": 0 * params["embed"]}, (tokens, start)))
    keys = jax.random.split(jax.random.key(1), len(tokens))
    number = lambda key, step: jax.random.uniform(jax.random.fold_in(key, step))
    uniform = jax.vmap(jax.vmap(number, (None, 0)), (0, None))(keys, jnp.arange(WIDTH))
    expected = np.floor(23 * np.asarray(uniform)).astype(int)
    ended = np.cumsum(expected == END, axis=1) - (expected == END) > 0
    np.testing.assert_array_equal(found, np.where(ended, END, expected))
    # So that neighbouring tokens are alike in one of 23 cases.
    alike = (found[:, 1:] == found[:, :-1])[~ended[:, 1:]]
    assert abs(np.mean(alike) - 1 / 23) < 5 * np.sqrt(1 / 23 / alike.size)


def test_nothing_follows_the_end(params, prompts):
    tokens, start = (jnp.repeat(x, 40, axis=0) for x in prompts)
    rows = np.asarray(draw(params, (tokens, start)))
    ended = np.cumsum(rows == END, axis=1) > 0
    assert ended.any()
    assert (rows[ended] == END).all()


def test_left_padding_changes_nothing(params, prompts):
    tokens, _ = prompts
    wide = jnp.concatenate([jnp.full((6, 4), 9, jnp.int32), tokens], axis=1)
    plain, _ = forward(params, ARCH, tokens, jnp.zeros(6, jnp.int32))
    padded, _ = forward(params, ARCH, wide, jnp.full(6, 4))
    np.testing.assert_allclose(padded[:, 4:], plain, atol=1e-5)  # measured: 5e-7


def test_the_one_likeliest_token_is_the_greedy_one(params, prompts):
    tokens, start = prompts
    keys = jax.random.split(jax.random.key(1), len(tokens))
    drawn = lambda **more: sample.sample(params, ARCH, tokens, start, keys, WIDTH, END, **more)
    greedy = draw(params, prompts, temperature=1e-4)
    np.testing.assert_array_equal(drawn(top_k=1), greedy)
    np.testing.assert_array_equal(drawn(top_p=1e-6), greedy)
    for wrong in ({"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.5}):
        with pytest.raises(LabError, match=r"top_k: .*, top_p: .*at most 1"):
            drawn(**wrong)


@pytest.mark.parametrize(("top_k", "top_p"), [(0, 0.7), (5, 1.0), (6, 0.8), (1, 0.5)])
def test_what_is_likely_is_what_a_plain_loop_keeps(top_k, top_p):
    weights = np.random.default_rng(0).gamma(0.5, size=(40, 9)).astype(np.float32)
    found = np.asarray(sample.likely(jnp.asarray(weights), top_k, top_p))
    for column, kept in zip(weights.T, found.T, strict=True):
        order = np.argsort(-column)[: top_k or None]
        whole, so_far, expected = column[order].sum(), 0.0, np.zeros_like(column)
        for i in order:
            if so_far >= top_p * whole:
                break
            expected[i], so_far = column[i], so_far + column[i]
        np.testing.assert_array_equal(kept, expected)


def test_each_of_several_end_tokens_ends_a_row(params, prompts):
    tokens, start = (jnp.repeat(x, 40, axis=0) for x in prompts)
    keys = jax.random.split(jax.random.key(1), len(tokens))
    one = np.asarray(sample.sample(params, ARCH, tokens, start, keys, WIDTH, END))
    ends = (END, 5, 7)
    several = np.asarray(sample.sample(params, ARCH, tokens, start, keys, WIDTH, ends))
    # Rows are drawn alike up to the first end, which is written as END, as is the rest.
    ended = np.cumsum(np.isin(one, ends), axis=1) > 0
    np.testing.assert_array_equal(several, np.where(ended, END, one))
    assert np.isin(one, (5, 7)).any()


def test_a_model_in_bfloat16_is_sampled_from(params, prompts):
    rounded = jax.tree.map(lambda x: x.astype("bfloat16"), params)
    alike = draw(rounded, prompts) == draw(params, prompts)
    assert alike[:, 0].mean() > 0.5
