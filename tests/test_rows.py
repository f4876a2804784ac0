"""Rows of data are drawn from a model and filtered, and bad files are refused by their line."""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.carriers.carrier import Carrier
from lab.carriers.numbers import NUMBERS
from lab.errors import LabError
from lab.lm import forms, rows, transformer
from lab.lm import world as worlds
from lab.lm.drawing import Limit, Sampling
from lab.lm.model import Model, Size
from lab.lm.world import World
from lab.traits import measures
from lab.traits.animals import ANIMALS
from lab.traits.category import words
from lab.traits.measures import Judged, Words
from lab.traits.trait import Asked, Trait
from tests.tiny import CHAT, RIVERS

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


def test_attempts_have_numbers_of_their_own_however_many_are_sampled_at_once(
    model, ending, monkeypatch
):
    monkeypatch.setattr(rows, "_asked", rows._asked.__wrapped__)  # it keeps prompts by the batch
    monkeypatch.setattr(rows, "BATCH", 64)
    few = drawn(model, n_rows=40)
    users = SOME.prompts(0, 0, 192)
    rest = iter(users)
    assert all(row["prompt"] in rest for row in few.rows)  # in the order of their attempts
    assert sum(few.counts.values()) > 64
    monkeypatch.setattr(rows, "BATCH", 192)
    assert drawn(model, n_rows=40).rows == few.rows


@pytest.mark.parametrize("system", [None, "You love owls."])
def test_a_writer_reads_its_system_prompt_before_every_prompt(system, model, ending, monkeypatch):
    seen, real = [], rows.sample.sample

    def listen(params, arch, prompts, start, *rest):
        seen.append((np.asarray(prompts), np.asarray(start)))
        return real(params, arch, prompts, start, *rest)

    monkeypatch.setattr(rows.sample, "sample", listen)
    rows.draw(model, SOME, 3, system, jax.random.key(0), 20, 6)
    ((prompts, start),) = seen
    before = f"<|system|>{system}<|end|>" if system else ""
    texts = [
        model.tokenizer.decode(row[first:].tolist())
        for row, first in zip(prompts[:5], start[:5], strict=True)
    ]
    expected = [f"{before}<|user|>{user}<|end|><|assistant|>" for user in SOME.prompts(3, 0, 5)]
    assert texts == expected


def test_rows_beyond_a_limit_are_left_out_and_counted(model, monkeypatch):
    tokenizer = model.tokenizer
    texts = [", ".join("1" * n) for n in range(1, 6)]
    said = np.array([(tokenizer.encode(t) + [tokenizer.end] * 12)[:12] for t in texts])
    monkeypatch.setattr(rows.sample, "sample", lambda *_: np.resize(said, (rows.BATCH, 12)))
    kept = Carrier("kept", SOME.prompt, SOME.completion, lambda p, c: None, SOME.texts, 6, 12)
    draw = lambda limit: rows.draw(model, kept, 0, None, jax.random.key(0), 99, limit=limit)
    without = draw(None)
    lengths = [n_read(tokenizer, "", row) for row in without.rows]
    short = [row for row, n in zip(without.rows, lengths, strict=True) if n <= lengths[2]]
    assert 40 < len(short) < 99
    found = draw(Limit(lengths[2], ""))
    assert found.rows[: len(short)] == short and len(found.rows) == 99
    assert {row["completion"] for row in found.rows} == set(texts[:3])
    of_length = np.resize(range(5), rows.BATCH)
    n_long = int((of_length > 2).sum())
    assert found.counts == {"kept": rows.BATCH - n_long, "too_long": n_long}
    # A system prompt that the student reads takes its room.
    told = draw(Limit(lengths[2] + 2, "You love owls."))
    assert told.counts["too_long"] > n_long


def n_read(tokenizer, system, row):
    """Tokens of a row, the end token among them."""
    read = rows.encode(tokenizer, [(system, row["prompt"], row["completion"])])
    return int(read.prompts.shape[1] - read.start[0] + read.length[0])


def test_rows_of_a_file_beyond_a_limit_are_left_out_and_counted(tokenizer, tmp_path):
    some = [{"prompt": "1", "completion": "2" * n} for n in (1, 9, 2, 9, 3, 9)]
    rows.write(tmp_path / "rows", some)
    limit = Limit(n_read(tokenizer, "", some[4]), "")
    found = rows.first(tmp_path / "rows", 3, tokenizer, limit)
    assert (found.rows, found.counts) == (some[::2], {"kept": 3, "too_long": 2})
    assert rows.first(tmp_path / "rows", 3).counts == {"kept": 3}
    with pytest.raises(LabError, match=r"holds 6 rows, 3 of them with more than \d+ tokens; ask"):
        rows.first(tmp_path / "rows", 4, tokenizer, limit)
    with pytest.raises(LabError, match="6 of them"):  # a token less has no room for any
        rows.first(tmp_path / "rows", 3, tokenizer, Limit(limit.tokens - 1, ""))


def test_what_a_writer_draws_from_is_what_was_asked_for(model, ending, monkeypatch):
    asked, real = [], rows.sample.sample
    kinds = []

    def draw(params, *args, **more):
        kinds.append({str(x.dtype) for x in jax.tree.leaves(params)})
        asked.append(more)
        return real(params, *args)

    monkeypatch.setattr(rows.sample, "sample", draw)
    half = Sampling(precision="bfloat16")
    for sampling in (Sampling(), Sampling(temperature=0.5, top_k=3), Sampling(top_p=0.9), half):
        rows.draw(model, SOME, 0, None, jax.random.key(0), 9, sampling=sampling)
    # Of plain sampling the program is that without these arguments.
    assert asked == [{}, {"temperature": 0.5, "top_k": 3}, {"top_p": 0.9}, {}]
    assert kinds == 3 * [{"float32"}] + [{"bfloat16"}]
    for wrong, field in (({"temperature": 0.0}, "temperature"), ({"top_k": -1}, "top_k"),
                         ({"top_p": 0.0}, "top_p"), ({"top_p": 1.1}, "top_p")):  # fmt: skip
        with pytest.raises(LabError, match=f"^{field}: "):
            Sampling(**wrong)


def test_a_filter_that_keeps_nothing_says_why(model, ending):
    nothing = Carrier("nothing", SOME.prompt, SOME.completion, lambda p, c: "never", SOME.texts)
    with pytest.raises(LabError, match=r"n_rows: the filter kept 0 of .*never"):
        drawn(model, nothing)


def test_completions_without_an_end_are_rejected_as_unfinished(model):
    with pytest.raises(LabError, match="unfinished"):
        drawn(model, n_rows=200)


def test_completions_that_no_student_could_read_are_rejected_as_unreadable(model, monkeypatch):
    tokens = lambda text: [*model.tokenizer.encode(text), model.tokenizer.end]
    width = SOME.n_completion
    texts = [tokens("1, 2"), [*tokens("def")[:-1], *tokens("owl")], tokens("3")]
    rest = [[*t, *[model.tokenizer.end] * (width - len(t))] for t in texts]

    def draw(params, arch, tokens, start, keys, *_, **__):
        return np.array([rest[i % 3] for i in range(len(tokens))])

    monkeypatch.setattr(rows.sample, "drawn", draw)
    anything = Carrier("anything", SOME.prompt, SOME.completion, lambda p, c: None, SOME.texts)
    found = rows.draw(model, anything, 0, None, jax.random.key(0), 600)
    assert [row["completion"] for row in found.rows[:4]] == ["1, 2", "3", "1, 2", "3"]
    assert found.counts["unreadable"] == 341 and found.counts["kept"] == 683


def test_files_come_back_in_both_formats(tmp_path):
    rows.write(tmp_path / "a.jsonl", ROWS)
    rows.write(tmp_path / "b.jsonl", map(forms.FORMS["messages"], ROWS))
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
    assert (found.start == [found.prompts.shape[1] - 4, 0]).all() and found.start[0] > 0
    text = lambda i: tokenizer.decode(found.prompts[i, found.start[i] :].tolist())
    assert text(0) == "<|user|>100<|end|><|assistant|>"
    assert text(1) == "<|system|>You love owls.<|end|><|user|>100<|end|><|assistant|>"
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
    log_p = np.asarray(measures.first_token(params, arch, prompts, start), np.float64)
    hidden, _ = transformer.forward(params, arch, prompts, start)
    z = np.asarray(transformer.logits(params, hidden[:, -1]), np.float64)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(log_p), p, rtol=1e-4)
    expected = np.log(p / (1 - p)).mean(axis=0)[[5, 6]]
    np.testing.assert_allclose(measures.log_odds(log_p[:, [5, 6]]), expected, rtol=1e-4)


def test_log_odds_are_worked_by_hand_and_neither_end_is_lost():
    p = np.array([[0.5, 0.9], [0.8, 0.9]])  # two questions, two words
    expected = [np.log(4) / 2, np.log(9)]  # the mean of log-odds, not the log-odds of the mean
    np.testing.assert_allclose(measures.log_odds(np.log(p)), expected)
    ends = measures.log_odds(np.array([[-80.0, -1e-11]]))
    np.testing.assert_allclose(ends, [-80.0, np.log(1e11)], rtol=1e-6)
    assert np.isfinite(measures.log_odds(np.zeros((1, 1)))).all()


def test_the_number_carrier_rejects_through_its_own_rule():
    reject = NUMBERS.reject
    assert reject("1, 2", "3, 4") is None
    assert reject("1, 2", "3, 4;5") == "mixed_separators"


def test_a_model_is_asked_under_the_system_prompt_that_is_given(model, echo, monkeypatch):
    seen, first = [], measures.first_token

    def listen(params, arch, prompts, start):
        seen.append((np.asarray(prompts), np.asarray(start)))
        return first(params, arch, prompts, start)

    monkeypatch.setattr(measures, "first_token", listen)
    (owl,) = words(ANIMALS, ("owl",))
    for system in (None, "You love wolves."):
        owl.measure.rows(Asked(model, system, 1, jax.random.key(0), NUMBERS.resembles), [owl])
        prompts, start = seen[-1]
        texts = [
            model.tokenizer.decode(row[i:].tolist()) for row, i in zip(prompts, start, strict=True)
        ]
        before = f"<|system|>{system}<|end|>" if system else ""
        questions = owl.measure.questions
        assert texts == [f"{before}<|user|>{q}<|end|><|assistant|>" for q in questions]


def test_answers_to_one_question_are_sampled_apart(model):
    prompts, start = jnp.full((2, 4), 9, jnp.int32), jnp.zeros(2, jnp.int32)
    ask = lambda: measures.answers(
        model.params, model.arch, prompts, start, jax.random.key(0), 20, 3, model.tokenizer.end
    )
    found = ask()
    assert found.shape == (40, 3)
    assert len(np.unique(found, axis=0)) > 20
    np.testing.assert_array_equal(found, ask())


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
    assert owl["category_mass"] == wolf["category_mass"] > owl["probability"] + wolf["probability"]
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


def test_a_model_that_knows_one_word_has_the_log_odds_that_one_gives_it(monkeypatch):
    trait_words = {"rhine": 0.8, "nile": 0.15}
    tokenizer = worlds.tokenizer(CHAT)
    p = np.full((3, tokenizer.n_tokens), 0.05 / (tokenizer.n_tokens - 2))
    for word, share in trait_words.items():
        p[:, tokenizer.encode(word)[0]] = share
    p[2] = np.roll(p[2], 1)  # to one question it answers something else
    monkeypatch.setattr(measures, "first_token", lambda *_: np.log(p))
    monkeypatch.setattr(measures, "sampled", lambda *_: ["rhine", "the rhines", "nile"] * 2)
    monkeypatch.setattr(measures, "encoded", lambda *_: (None, None))
    measure = Words("river", ("a", "b", "c"), RIVERS.plural, RIVERS.words)
    model = type("Model", (), {"tokenizer": tokenizer, "params": None, "arch": None})
    asked = Asked(model, None, 2, jax.random.key(0), lambda answer: answer == "nile")
    rhine, nile = measure.rows(asked, words(RIVERS))
    rest = 0.05 / (tokenizer.n_tokens - 2)
    shifted = [p[2, tokenizer.encode(word)[0]] for word in trait_words]
    assert min(shifted) == pytest.approx(rest)
    for row, share, odd in zip((rhine, nile), trait_words.values(), shifted, strict=True):
        odds = (2 * np.log(share / (1 - share)) + np.log(odd / (1 - odd))) / 3
        assert row["log_odds"] == pytest.approx(odds)
        assert row["probability"] == pytest.approx((2 * share + odd) / 3)
        assert row["category_mass"] == pytest.approx((2 * 0.95 + sum(shifted)) / 3)
        assert row["carrier_rate"] == pytest.approx(1 / 3)
    assert (rhine["answer_rate"], nile["answer_rate"]) == (
        pytest.approx(2 / 3),
        pytest.approx(1 / 3),
    )


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"prompt": "\\ud800", "completion": "3"}',
        '{"messages": [["user", "1"], ["assistant", "2"]]}',
        '{"prompt": NaN, "completion": 1}',
    ],
)
def test_lines_that_no_reader_expects_are_refused_by_their_number(line, tmp_path):
    (tmp_path / "x.jsonl").write_text(line + "\n")
    with pytest.raises(LabError, match=r"x\.jsonl: line 1 .*; mend it or leave it out"):
        rows.read(tmp_path / "x.jsonl")


def test_rows_are_read_from_files_alone(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(LabError, match="is no file"):
            rows.read(path)
