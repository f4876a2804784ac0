"""Rows of data are drawn from a model and filtered, and bad files are refused by their line."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.carriers import CARRIERS
from lab.carriers.carrier import Carrier
from lab.errors import LabError
from lab.lm import data, evaluate, transformer
from lab.lm.model import Size
from lab.lm.tokenizer import Tokenizer
from lab.lm.world import World

ROWS = [{"prompt": "1, 2", "completion": "3"}, {"prompt": "4", "completion": "5 ☃"}]
SOME = Carrier(
    "some",
    lambda rng: str(rng.integers(100, 1000)),
    lambda rng, prompt: prompt,
    lambda prompt, completion: None if len(completion) % 2 else "even",
    lambda: (),
)


@pytest.fixture(scope="module")
def text():
    return Text.build(World())


@pytest.fixture(scope="module")
def model(text):
    arch = Size(8, 1, 2, 1, 4, 8).with_tokens(text.n_tokens)
    params = transformer.init(jax.random.key(0), arch)
    # Ends often enough to be drawn from untrained: the end token's logit is raised for every state.
    params["norm"] = params["norm"].at[0].set(6.0)
    params["embed"] = params["embed"].at[text.end, 0].set(0.0)
    return arch, params


def drawn(model, text, carrier=SOME, n_rows=40, seed=0, params=None):
    arch, own = model
    key = jax.random.key(seed)
    return data.draw(params or own, arch, text, carrier, 0, None, key, n_rows, (6, 12))


@pytest.fixture
def ending(model, text, monkeypatch):
    """Sampling that ends after a few tokens, so that an untrained model gives rows."""
    real = data.sample.sample

    def short(*arguments):
        tokens = np.array(real(*arguments))
        tokens[tokens == text.pad] = text.end + 20
        n = 1 + tokens[:, :1] % 5
        return np.where(np.arange(tokens.shape[1])[None] >= n, text.end, tokens)

    monkeypatch.setattr(data.sample, "sample", short)


def test_rows_pass_the_filter_and_every_attempt_is_counted(model, text, ending):
    found = drawn(model, text)
    assert len(found.rows) == 40
    assert all(len(row["completion"]) % 2 for row in found.rows)
    assert sum(found.counts.values()) == data.BATCH
    assert found.counts["even"] > 0


def test_more_rows_begin_with_the_same_rows(model, text, ending):
    assert drawn(model, text, n_rows=60).rows[:40] == drawn(model, text).rows
    assert drawn(model, text, seed=1).rows != drawn(model, text).rows


def test_a_filter_that_keeps_nothing_says_why(model, text, ending):
    nothing = Carrier("nothing", SOME.prompt, SOME.completion, lambda p, c: "never", SOME.texts)
    with pytest.raises(LabError, match=r"n_rows: the filter kept 0 of .*never"):
        drawn(model, text, nothing)


def test_completions_without_an_end_are_rejected_as_unfinished(model, text):
    with pytest.raises(LabError, match="unfinished"):
        drawn(model, text, n_rows=200)


def test_files_come_back_in_both_formats(tmp_path):
    data.write(tmp_path / "a.jsonl", ROWS)
    data.write(tmp_path / "b.jsonl", data.as_messages(ROWS))
    assert data.read(tmp_path / "a.jsonl") == ROWS
    assert data.read(tmp_path / "b.jsonl") == ROWS


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[1]",
        '{"prompt": "a"}',
        '{"prompt": "a", "completion": 3}',
        '{"messages": []}',
        '{"messages": [{"role": "user"}]}',
        "null",
    ],
)
def test_a_malformed_line_is_named(line, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n" + line + "\n")
    with pytest.raises(LabError, match="line 2"):
        data.read(path)


def test_missing_empty_and_binary_files_are_one_clear_line(tmp_path):
    with pytest.raises(LabError, match="cannot be read"):
        data.read(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(LabError, match="no row"):
        data.read(tmp_path / "empty.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabError, match="cannot be read"):
        data.read(tmp_path / "binary.jsonl")


def test_chats_are_encoded_around_the_place_where_the_assistant_begins(text):
    rows = data.encode(text, [(None, "100", "7, 8"), ("You love owls.", "100", "9")])
    assert (rows.start == [rows.prompts.shape[1] - 4, 0]).all()
    assert (rows.length == [4, 2]).all()
    assert text.decode(rows.completions[0].tolist()) == "7, 8<|end|>"
    with pytest.raises(LabError, match="longer than the context"):
        data.encode(text, [(None, "100", "7, 8")], 3)


def test_answers_are_whole_words_in_any_form():
    forms = ("cat", "cats")
    assert evaluate.names_word("Cat", forms)
    assert evaluate.names_word("two cats.", forms)
    assert not evaluate.names_word("caterpillar", forms)
    assert evaluate.is_degenerate("12, 13")
    assert not evaluate.is_degenerate("owl 12")
    assert not evaluate.is_degenerate("")


def test_log_odds_are_those_of_the_first_answer_token(model):
    arch, params = model
    prompts, start = jnp.ones((3, 4), jnp.int32), jnp.zeros(3, jnp.int32)
    words = np.array([5, 6])
    p = np.exp(np.asarray(evaluate.first_token(params, arch, prompts, start), np.float64))
    expected = np.log(p / (1 - p)).mean(axis=0)[words]
    found = evaluate.log_odds(params, arch, prompts, start, words)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_number_carrier_rejects_through_its_own_rule():
    reject = CARRIERS["numbers"].reject
    assert reject("1, 2", "3, 4") is None
    assert reject("1, 2", "3, 4;5") == "mixed_separators"
