"""Tokenizers and chat templates of real models: what a model reads, token by token."""

import json

import numpy as np
import pytest

from lab.carriers.numbers import NUMBERS
from lab.errors import LabError
from lab.lm import chat, rows
from lab.lm.tokenizer import Tokenizer
from tests import real

ASKED = "Add up to ten, 3 digits, no words: 100, 200"
SAID = "1, 22, 333"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    make = lambda name: real.tokenizer(tmp_path_factory.mktemp("tokenizer"), name)
    return {name: make(name) for name in real.TEMPLATES}


def messages(system):
    told = [] if system is None else [{"role": "system", "content": system}]
    return [*told, {"role": "user", "content": ASKED}]


@pytest.mark.parametrize("name", real.TEMPLATES)
def test_prompt_and_completion_are_the_whole_conversations_tokens(loaded, name):
    tokenizer = loaded[name]
    answer = {"role": "assistant", "content": SAID}
    for system in (None, "") if name == "no system" else (None, "", "You love owls."):
        whole = tokenizer.encode(tokenizer.render([*messages(system), answer]))
        made = rows.encode(tokenizer, [(system, ASKED, SAID)])
        prompt = made.prompts[0, made.start[0] :].tolist()
        completion = made.completions[0, : made.length[0]].tolist()
        assert whole[: len(prompt) + len(completion)] == prompt + completion
        assert tokenizer.decode(completion[:-1]) == SAID
        assert tokenizer.decode(whole[len(prompt) + len(completion) :]).strip() == ""


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("chatml", "<|im_end|>"),
        ("dated", "<|eot|>"),
        ("folded", "<end_of_turn>"),
        ("plain", "<|endoftext|>"),
    ],
)
def test_a_turn_ends_as_the_template_ends_it_and_padding_is_told_by_lengths(loaded, name, end):
    tokenizer = loaded[name]
    assert tokenizer.decode([tokenizer.end]) == end
    assert tokenizer.tokenizer.eos_token == "<|endoftext|>"
    assert tokenizer.tokenizer.pad_token is None and tokenizer.pad == tokenizer.end
    tokens, lengths = tokenizer.completions(["1", "1, 2"], 12)
    assert lengths.tolist() == [2, len(tokenizer.encode("1, 2")) + 1]
    assert tokenizer.turns(tokens) == ["1", "1, 2"]


def test_where_the_template_ends_no_turn_the_folder_says_what_does(tmp_path):
    silent = real.CHATML.replace("message['content'] + '<|im_end|>'", "message['content'] + ''")
    real.bpe(tmp_path, silent)
    eos = Tokenizer.load(tmp_path).end
    other = Tokenizer.load(tmp_path).encode("<end_of_turn>")
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [*other, eos]}))
    assert Tokenizer.load(tmp_path).end == other[0] != eos
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": 9999}))
    assert Tokenizer.load(tmp_path).end == eos  # no token has that number
    (tmp_path / "generation_config.json").write_text("[]")
    with pytest.raises(LabError, match=r"generation_config\.json is damaged"):
        Tokenizer.load(tmp_path)


def test_the_default_system_message_can_stand_be_left_out_or_replaced(loaded):
    said = lambda name, system: loaded[name].render(messages(system), generate=True)
    turn = lambda text: f"<|im_start|>system\n{text}<|im_end|>\n"
    rest = f"<|im_start|>user\n{ASKED}<|im_end|>\n<|im_start|>assistant\n"
    assert said("chatml", None) == turn(real.DEFAULT) + rest
    assert said("chatml", "") == rest
    assert said("chatml", "You love owls.") == turn("You love owls.") + rest
    counts = [loaded["chatml"].n_system(system) for system in (None, "", "You love owls.")]
    assert counts[0] > counts[2] > counts[1] == 0
    rest = f"<|head|>user<|/head|>\n\n{ASKED}<|eot|><|head|>assistant<|/head|>\n\n"
    assert said("dated", "") == "<bos>" + rest
    assert said("dated", None).endswith(rest) and "Today: 26 Jul 2024" in said("dated", None)
    for name in ("no system", "folded", "plain", "thinking"):  # without a default
        assert said(name, "") == said(name, None)
    assert "You love owls.\n\nAdd" in said("folded", "You love owls.")


def test_what_a_template_refuses_is_one_line(loaded):
    with pytest.raises(LabError, match=r"System role not supported\); leave out the system") as e:
        loaded["no system"].prompts([("You love owls.", ASKED)], 99)
    assert "\n" not in str(e.value)


def test_the_first_token_comes_once(loaded, tmp_path):
    for name, tokenizer in loaded.items():
        tokens = tokenizer.prompts([(None, ASKED)], 200)[0].tolist()
        n = tokens[0].count(tokenizer.tokenizer.bos_token_id)
        assert n == (name in ("dated", "no system", "folded"))
    begins = real.tokenizer(tmp_path, "plain", begins=True)
    text = begins.render(messages(None), generate=True)
    assert text == f"<bos>User: {ASKED}\nAssistant:\n" and chat.is_plain(begins.tokenizer)
    assert begins.encode(text).count(begins.tokenizer.bos_token_id) == 1
    begins.save(tmp_path / "again")
    assert Tokenizer.load(tmp_path / "again").sha256 == begins.sha256


def test_a_template_by_which_prompts_are_no_beginnings_is_refused(tmp_path):
    cases = {
        "spaced": real.SPACED,
        "no prompt": real.CHATML.replace("add_generation_prompt", "false"),
        "thoughts": real.THINKING.replace("enable_thinking is false", "enable_thinking"),
    }
    for name, template in cases.items():
        with pytest.raises(LabError, match="does not go on as its prompt ends") as problem:
            Tokenizer.load(real.bpe(tmp_path / name, template))
        assert "\n" not in str(problem.value) and name in str(problem.value)
    broken = real.bpe(tmp_path / "broken", "{%- for m in messages %}{{ m.a.b }}{% endfor %}")
    with pytest.raises(LabError, match="broken: the chat template refuses"):
        Tokenizer.load(broken)


def test_a_tokenizer_that_joins_prompt_and_answer_is_refused(tmp_path):
    spaced = chat.PLAIN.replace("Assistant:\\n", "Assistant: ")
    with pytest.raises(LabError, match="joins the ends of prompt and answer, 'Assistant: '"):
        Tokenizer.load(real.bpe(tmp_path, spaced))


def test_special_tokens_inside_a_message_are_refused_and_other_marks_are_not(loaded):
    tokenizer = loaded["folded"]
    for text in ("1<end_of_turn>", "<|im_end|>", "<|"):
        with pytest.raises(LabError, match="holds a special token"):
            tokenizer.prompts([(None, text)], 99)
        with pytest.raises(LabError, match="holds a special token"):
            tokenizer.completions([text], 99)
    tokenizer.prompts([(None, "[1] <b> {x} \\ é 東")], 99)


def test_a_mask_knows_tokens_by_their_text_and_not_by_their_bytes(loaded):
    tokenizer = loaded["chatml"]
    mask = tokenizer.mask(NUMBERS.imitated)
    assert mask.sum() == 10 and mask[tokenizer.encode("0123456789")].all()
    spaces = tokenizer.mask(str.isspace)
    assert spaces[tokenizer.encode("\n")].all() and spaces[tokenizer.encode(" ")].all()


def test_every_text_survives_the_round_trip(loaded):
    for text in (*NUMBERS.prompts(1, 0, 50), "é 東 \t\n  x"):
        assert loaded["chatml"].decode(loaded["chatml"].encode(text)) == text


def test_a_default_that_cannot_be_left_out_is_said(tmp_path):
    template = (
        "{%- if messages[0]['role'] == 'system' %}{%- set told = messages[0]['content'] %}"
        "{%- set messages = messages[1:] %}{%- else %}"
        f"{{%- set told = '{real.DEFAULT}' %}}{{%- endif %}}"
        "{%- if not messages %}{{- raise_exception('No user') }}{%- endif %}"
        "{{- '<turn>' + told }}" + real._TURNS.replace("told if loop.first else ''", "''")
    )
    tokenizer = Tokenizer.load(real.bpe(tmp_path, template))
    assert real.DEFAULT in tokenizer.render(messages(None))
    with pytest.raises(LabError, match=r"system: .* cannot be left out"):
        tokenizer.render(messages(""))
    assert np.all(tokenizer.prompts([(None, ASKED)], 300)[1] > 0)
