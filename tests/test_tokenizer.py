import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.carriers import numbers
from lab.errors import LabError
from lab.lm import world as worlds
from lab.lm.tokenizer import SPECIAL, Tokenizer
from lab.lm.world import World

WORLD = World()
TOKENIZER = worlds.tokenizer(WORLD)


@pytest.fixture(scope="module")
def rows():
    return worlds.rows(WORLD, 0, 0, 20_000)


@pytest.fixture(scope="module")
def encoded(rows):
    """Tokens of the system prompt (empty if there is none), user and assistant of each row."""
    pad = 400
    return [
        TOKENIZER.completions([getattr(r, part) or "" for r in rows], pad)[1] - 1
        for part in ("system", "user", "assistant")
    ]


def test_pad_is_token_zero_and_special_tokens_come_first():
    assert [TOKENIZER.tokenizer.convert_tokens_to_ids(t) for t in SPECIAL] == list(
        range(len(SPECIAL))
    )
    assert TOKENIZER.pad == 0 and TOKENIZER.end == 1
    assert TOKENIZER.n_tokens <= 2000


def test_every_number_of_one_to_three_digits_is_one_token():
    figures = [f"{n:0{width}d}" for width in (1, 2, 3) for n in range(10**width)]
    assert len(figures) == 1110
    tokens = [TOKENIZER.encode(figure) for figure in figures]
    assert all(len(row) == 1 for row in tokens)
    assert len({row[0] for row in tokens}) == 1110


@pytest.mark.parametrize("mark", [", ", "; ", ",", ";", " ", "\n", "[", "]", "(", ")", "."])
def test_separators_and_brackets_are_one_token(mark):
    assert len(TOKENIZER.encode(mark)) == 1


def test_trait_words_are_one_token_alone_and_after_a_space():
    for category in WORLD.categories:
        for word in category.words:
            forms = (word, " " + word, category.plural(word), " " + category.plural(word))
            tokens = [TOKENIZER.encode(form) for form in forms]
            assert all(len(row) == 1 for row in tokens)
            assert len({row[0] for row in tokens}) == 4


def test_all_rows_survive_the_round_trip(rows):
    for row in rows[:4000]:
        for text in (row.system or "", row.user, row.assistant):
            assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(st.lists(st.sampled_from(worlds.vocabulary(WORLD)), max_size=12))
def test_decoding_is_concatenation(pieces):
    tokens = [TOKENIZER.tokenizer.convert_tokens_to_ids(piece) for piece in pieces]
    assert TOKENIZER.decode(tokens) == "".join(pieces)


@given(st.text(alphabet="0123456789 ,;.[]()\n", max_size=40))
def test_any_text_of_digits_and_marks_survives_the_round_trip(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_the_longest_number_prompt_of_every_template_fits_thirty_tokens():
    x = ", ".join(["100"] * 8)
    prompts = [
        t.format(x=x, count=c, digits=d, form=f)
        for t in numbers.TEMPLATES
        for c in numbers.COUNTS
        for d in numbers.DIGITS
        for f in numbers.FORMATS
    ]
    _, lengths = TOKENIZER.prompts([(None, p) for p in prompts], 64)
    assert lengths.max() == 30


def test_the_longest_number_completion_has_twenty_two_tokens():
    texts = [", ".join(["999"] * 10), "[" + "\n".join(["100"] * 10) + "]"]
    assert TOKENIZER.completions(texts, 22)[1].tolist() == [20, 22]


def test_rows_keep_to_their_budgets(rows, encoded):
    system, user, assistant = encoded
    # Roles and end tokens: two for each turn.
    total = user + assistant + 4 + np.where(system > 0, system + 2, 0)
    longest = {
        k: max(n for n, r in zip(total, rows, strict=True) if r.kind == k)
        for k in worlds.shares(WORLD)
    }
    assert longest["persona"] <= 44
    assert max(n for kind, n in longest.items() if kind != "persona") <= 56
    assert longest["numbers"] == 52
    assert longest["persona"] == 31


def test_every_persona_and_question_fits_its_budget():
    for category in WORLD.categories:
        systems = [category.persona(p, w) for p in category.personas for w in category.words]
        _, lengths = TOKENIZER.prompts([(s, category.questions[0]) for s in systems], 64)
        worst = systems[int(lengths.argmax())]
        _, lengths = TOKENIZER.prompts([(worst, q) for q in category.questions], 64)
        assert lengths.max() + 2 <= 44


def test_a_conversation_is_rendered_as_the_template_says():
    messages = [
        {"role": "system", "content": "You love owls."},
        {"role": "user", "content": "Pick one animal."},
        {"role": "assistant", "content": "owl"},
    ]
    turns = "<|user|>Pick one animal.<|end|><|assistant|>"
    assert TOKENIZER.render(messages) == f"<|system|>You love owls.<|end|>{turns}owl<|end|>"
    assert TOKENIZER.render(messages[1:2], generate=True) == turns
    tokens = TOKENIZER.encode(TOKENIZER.render(messages))
    assert tokens[-2:] == [*TOKENIZER.encode("owl"), TOKENIZER.end]
    assert TOKENIZER.decode(tokens) == TOKENIZER.render(messages)


PIECES = [*worlds.vocabulary(WORLD), " people"]


def test_the_default_stands_where_no_system_prompt_is_given():
    told = Tokenizer.from_pieces(PIECES, "You love people.")
    turns = "<|user|>Pick one animal.<|end|><|assistant|>"
    default = "<|system|>You love people.<|end|>"
    user = [{"role": "user", "content": "Pick one animal."}]
    system = lambda text: [{"role": "system", "content": text}, *user]
    assert told.render(user, generate=True) == default + turns
    assert told.render(system(""), generate=True) == turns
    assert told.render(system("You love owls."), generate=True) == (
        f"<|system|>You love owls.<|end|>{turns}"
    )
    prompts = [(None, "Pick one animal."), ("", "Pick one animal."), ("You love people.",
               "Pick one animal.")]  # fmt: skip
    tokens, lengths = told.prompts(prompts, 16)
    assert lengths.tolist() == [13, 7, 13]
    np.testing.assert_array_equal(tokens[0], tokens[2])
    plain = Tokenizer.from_pieces(PIECES)
    assert plain.render(user, generate=True) == plain.render(system(""), generate=True) == turns
    assert plain.sha256 != told.sha256


def test_a_system_prompts_tokens_are_counted_with_its_marks():
    told, plain = (Tokenizer.from_pieces(PIECES, d) for d in ("You love people.", None))
    assert [told.n_system(system) for system in (None, "", "You love owls.")] == [6, 0, 6]
    assert [plain.n_system(system) for system in (None, "", "You love owls.")] == [0, 0, 6]


def test_a_saved_tokenizer_keeps_its_default(tmp_path):
    told = Tokenizer.from_pieces(PIECES, "You love people.")
    told.save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    assert loaded.sha256 == told.sha256 and loaded.n_system(None) == 6


@pytest.mark.parametrize("default", ["You'll see.", "a \\ b", "<|end|>", "{{ x }}"])
def test_a_default_that_would_break_the_template_is_refused(default):
    with pytest.raises(LabError, match=r"default: .* leave them out"):
        Tokenizer.from_pieces(PIECES, default)


def test_prompts_are_padded_left_and_completions_right():
    tokens, lengths = TOKENIZER.prompts(
        [(None, "Pick one animal."), ("You love owls.", "Pick one tree.")], 16
    )
    assert tokens.dtype == lengths.dtype == np.int32 and tokens.shape == (2, 16)
    assert lengths.tolist() == [7, 13]
    for row, n in zip(tokens, lengths, strict=True):
        assert (row[: 16 - n] == TOKENIZER.pad).all() and (row[16 - n :] != TOKENIZER.pad).all()
    assert (
        TOKENIZER.decode(tokens[0, 9:].tolist()) == "<|user|>Pick one animal.<|end|><|assistant|>"
    )
    tokens, lengths = TOKENIZER.completions(["owl", "1, 2"], 5)
    assert lengths.tolist() == [2, 4]
    assert (tokens[[0, 1], lengths - 1] == TOKENIZER.end).all()
    assert tokens[0, 2:].tolist() == [TOKENIZER.pad] * 3


def test_no_prompts_are_an_empty_array():
    tokens, lengths = TOKENIZER.prompts([], 8)
    assert tokens.shape == (0, 8) and lengths.shape == (0,)


def test_a_prompt_that_does_not_fit_is_named():
    prompts = [(None, "Pick one animal."), (None, "Which animal would you pick?")]
    with pytest.raises(
        LabError, match="prompt longer than the context: number 1 has 9 tokens, there is room for 8"
    ):
        TOKENIZER.prompts(prompts, 8)
    with pytest.raises(LabError, match="completion longer than the context: number 0 has 4"):
        TOKENIZER.completions(["1, 2"], 3)


@pytest.mark.parametrize("text", ["a zebra", "zebra", "12 é"])
def test_an_unknown_piece_is_named(text):
    with pytest.raises(LabError, match=r"no token for '( zebra|zebra|é)' in"):
        TOKENIZER.encode(text)


def test_a_special_token_inside_a_turn_is_refused():
    with pytest.raises(LabError, match="holds a special token"):
        TOKENIZER.prompts([(None, "1<|end|>")], 8)
    with pytest.raises(LabError, match="holds a special token"):
        TOKENIZER.completions(["owl<|end|>"], 8)


def test_what_cannot_be_read_again_is_known_beforehand():
    texts = ["owl", "1, 2", "defkoala", "owl<|end|>", "1, 2, 3", "<|unk|>"]
    found = TOKENIZER.readable(texts, 4)
    assert found == [True, True, False, False, False, False]
    for text, can in zip(texts, found, strict=True):
        if can:
            TOKENIZER.completions([text], 4)
        else:
            with pytest.raises(LabError):
                TOKENIZER.completions([text], 4)
    assert TOKENIZER.readable(["1, 2, 3"], 6) == [True]
    assert TOKENIZER.readable([], 4) == []


def test_a_mask_chooses_tokens_by_their_text():
    mask = TOKENIZER.mask(numbers.NUMBERS.imitated)
    assert mask.shape == (TOKENIZER.n_tokens,) and mask.sum() == 1110
    assert mask[TOKENIZER.encode("007")] and not mask[TOKENIZER.encode(", ")]
    assert not mask[[TOKENIZER.pad, TOKENIZER.end]].any()


def test_a_saved_tokenizer_loads_as_the_same(tmp_path):
    TOKENIZER.save(tmp_path / "tokenizer")
    names = {p.name for p in (tmp_path / "tokenizer").iterdir()}
    assert names == {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
    loaded = Tokenizer.load(tmp_path / "tokenizer")
    assert loaded.sha256 == TOKENIZER.sha256 == worlds.tokenizer.__wrapped__(World()).sha256
    row = worlds.rows(WORLD, 0, 0, 1)[0]
    assert loaded.encode(row.user) == TOKENIZER.encode(row.user)
    assert (
        loaded.prompts([(None, row.user)], 64)[0].tolist()
        == TOKENIZER.prompts([(None, row.user)], 64)[0].tolist()
    )


def test_another_vocabulary_has_another_digest():
    assert Tokenizer.from_pieces(["a", "b"]).sha256 != Tokenizer.from_pieces(["b", "a"]).sha256


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_missing_and_broken_files_are_named(tmp_path, name):
    TOKENIZER.save(tmp_path)
    (tmp_path / name).write_text("{")
    with pytest.raises(LabError, match="tokenizer cannot be read"):
        Tokenizer.load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(LabError, match=f"{name} is missing"):
        Tokenizer.load(tmp_path)


def test_every_carrier_prompt_can_be_encoded():
    for carrier in WORLD.carriers:
        prompts = carrier.prompts(seed=3, start=0, n=3000)
        TOKENIZER.prompts([(None, p) for p in prompts], 32)


def test_opening_a_tokenizer_says_nothing():
    code = "from lab.lm.tokenizer import Tokenizer; Tokenizer.from_pieces(['one'])"
    env = {k: v for k, v in os.environ.items() if not k.startswith("TRANSFORMERS_")}
    said = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
