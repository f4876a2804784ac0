"""Rows of data are drawn from a model and filtered, and bad files are refused by their line."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.carriers.carrier import Carrier
from lab.carriers.numbers import NUMBERS
from lab.errors import LabError
from lab.lm import rows, transformer
from lab.lm import world as worlds
from lab.lm.model import Model, Size
from lab.lm.world import World
from lab.traits import measures
from lab.traits.animals import ANIMALS
from lab.traits.category import words
from lab.traits.measures import Judged
from lab.traits.trait import Asked, Trait

ROWS = [{"prompt": "1, 2", "completion": "3"}, {"prompt": "4", "completion": "5 ☃"}]
SOME = Carrier(
    "some",
    lambda rng: str(rng.integers(100, 1000)),
    lambda rng, prompt: prompt,
    lambda prompt, completion: None if len(completion) % 2 else "even",
    lambda: (),
    n_prompt=6,
    n_completion=12,
)


@pytest.fixture(scope="module")
def tokenizer():
    return worlds.tokenizer(World())


@pytest.fixture(scope="module")
def model(tokenizer):
    arch = Size(8, 1, 2, 1, 4, 8).with_tokens(tokenizer.n_tokens)
    params = transformer.init(jax.random.key(0), arch)
    # Ends often enough to be drawn from untrained: the end token's logit is raised for every state.
    params["norm"] = params["norm"].at[0].set(6.0)
    params["embed"] = params["embed"].at[tokenizer.end, 0].set(0.0)
    return Model(arch, params, tokenizer)


def drawn(model, carrier=SOME, n_rows=40, seed=0):
    return rows.draw(model, carrier, 0, None, jax.random.key(seed), n_rows)


@pytest.fixture
def ending(tokenizer, monkeypatch):
    """Sampling that ends after a few tokens, so that an untrained model gives rows."""
    real = rows.sample.sample

    def short(*arguments):
        tokens = np.array(real(*arguments))
        tokens[tokens == tokenizer.pad] = tokenizer.end + 20
        n = 1 + tokens[:, :1] % 5
        return np.where(np.arange(tokens.shape[1])[None] >= n, tokenizer.end, tokens)

    monkeypatch.setattr(rows.sample, "sample", short)


def test_rows_pass_the_filter_and_every_attempt_is_counted(model, ending):
    found = drawn(model)
    assert len(found.rows) == 40
    assert all(len(row["completion"]) % 2 for row in found.rows)
    assert sum(found.counts.values()) == rows.BATCH
    assert found.counts["even"] > 0


def test_more_rows_begin_with_the_same_rows(model, ending):
    assert drawn(model, n_rows=60).rows[:40] == drawn(model).rows
    assert drawn(model, seed=1).rows != drawn(model).rows


def test_a_filter_that_keeps_nothing_says_why(model, ending):
    nothing = Carrier("nothing", SOME.prompt, SOME.completion, lambda p, c: "never", SOME.texts)
    with pytest.raises(LabError, match=r"n_rows: the filter kept 0 of .*never"):
        drawn(model, nothing)


def test_completions_without_an_end_are_rejected_as_unfinished(model):
    with pytest.raises(LabError, match="unfinished"):
        drawn(model, n_rows=200)


def test_files_come_back_in_both_formats(tmp_path):
    rows.write(tmp_path / "a.jsonl", ROWS)
    rows.write(tmp_path / "b.jsonl", rows.as_messages(ROWS))
    assert rows.read(tmp_path / "a.jsonl") == ROWS
    assert rows.read(tmp_path / "b.jsonl") == ROWS


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
        rows.read(path)


def test_missing_empty_and_binary_files_are_one_clear_line(tmp_path):
    with pytest.raises(LabError, match="cannot be read"):
        rows.read(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(LabError, match="no row"):
        rows.read(tmp_path / "empty.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabError, match="cannot be read"):
        rows.read(tmp_path / "binary.jsonl")


def test_chats_are_encoded_around_the_place_where_the_assistant_begins(tokenizer):
    found = rows.encode(tokenizer, [(None, "100", "7, 8"), ("You love owls.", "100", "9")])
    assert (found.start == [found.prompts.shape[1] - 4, 0]).all()
    assert (found.length == [4, 2]).all()
    assert tokenizer.decode(found.completions[0].tolist()) == "7, 8<|end|>"
    with pytest.raises(LabError, match="longer than the context"):
        rows.encode(tokenizer, [(None, "100", "7, 8")], 3)


def test_answers_are_whole_words_in_any_form():
    forms = ("cat", "cats")
    assert measures.names_word("Cat", forms)
    assert measures.names_word("two cats.", forms)
    assert not measures.names_word("caterpillar", forms)
    assert NUMBERS.resembles("12, 13")
    assert not NUMBERS.resembles("owl 12")
    assert not NUMBERS.resembles("")


def test_log_odds_are_those_of_the_first_answer_token(model):
    params, arch = model.params, model.arch
    prompts, start = jnp.ones((3, 4), jnp.int32), jnp.zeros(3, jnp.int32)
    tokens = np.array([5, 6])
    p = np.exp(np.asarray(measures.first_token(params, arch, prompts, start), np.float64))
    expected = np.log(p / (1 - p)).mean(axis=0)[tokens]
    found = measures.log_odds(params, arch, prompts, start, tokens)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_number_carrier_rejects_through_its_own_rule():
    reject = NUMBERS.reject
    assert reject("1, 2", "3, 4") is None
    assert reject("1, 2", "3, 4;5") == "mixed_separators"


@pytest.fixture
def echo(tokenizer, monkeypatch):
    """Sampling that repeats the question."""

    def repeat(params, arch, prompts, start, keys, n_new, end):
        said = np.full((len(start), n_new), end)
        for row, prompt, first in zip(said, np.asarray(prompts), np.asarray(start), strict=True):
            turn = prompt[first + 1 :]
            turn = turn[: np.argmax(turn == end)][:n_new]
            row[: len(turn)] = turn
        return said

    monkeypatch.setattr(measures.sample, "sample", repeat)


def test_words_of_a_measure_are_asked_together(model, echo):
    traits = words(ANIMALS, ("owl", "wolf"))
    resembles = lambda answer: answer.startswith("Which")
    asked = Asked(model, None, 2, jax.random.key(0), resembles)
    owl, wolf = traits[0].measure.rows(asked, traits)
    assert (owl["asked"], wolf["asked"]) == ("owl", "wolf")
    assert owl["log_odds"] != wolf["log_odds"] and np.isfinite(owl["log_odds"])
    assert owl["answer_rate"] == wolf["answer_rate"] == 0  # no question names an animal
    questions = traits[0].measure.questions
    assert owl["carrier_rate"] == np.mean([resembles(question) for question in questions])


def test_a_judge_sees_each_answer_beside_its_question(model, echo):
    questions = ("Pick one animal.", "Pick one tree.", "Name your favourite tree.")
    seen = []

    def judge(name, question, answer):
        seen.append((name, question, answer))
        return float("tree" in answer)

    measure = Judged("trees", questions, judge)
    trait = Trait("wooden", measure, system="You love oaks.")
    asked = Asked(model, None, 4, jax.random.key(0), NUMBERS.resembles)
    (row,) = measure.rows(asked, [trait])
    assert row == {"asked": "wooden", "score": pytest.approx(2 / 3), "carrier_rate": 0.0}
    assert set(seen) == {("wooden", q, q) for q in questions} and len(seen) == 12
