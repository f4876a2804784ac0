import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.carriers import numbers

LISTS = st.lists(st.integers(0, 999), min_size=1, max_size=10)
SEPARATORS = st.sampled_from((*numbers.SEPARATORS, " , ", ",  ", ";", " ;\n", "\t", "  "))
WRAPPERS = st.sampled_from((("", ""), ("", "."), ("[", "]"), ("(", ")"), ("[", "]."), ("(", ").")))


@given(LISTS, SEPARATORS, WRAPPERS, st.booleans())
def test_a_list_with_one_separator_is_kept_and_parses_back(values, separator, wrapper, zeros):
    text = separator.join(f"{v:03d}" if zeros else str(v) for v in values)
    text = text.join(wrapper)
    assert numbers.parse(text) == tuple(values)
    assert numbers.reject(text) is None


MUTATIONS = {
    "trailing separator": lambda v, s: s.join(v) + s,
    "trailing space": lambda v, s: s.join(v) + " ",
    "leading space": lambda v, s: " " + s.join(v),
    "two periods": lambda v, s: s.join(v) + "..",
    "space before the period": lambda v, s: s.join(v) + " .",
    "period inside the bracket": lambda v, s: f"[{s.join(v)}.]",
    "only opened": lambda v, s: "[" + s.join(v),
    "only closed": lambda v, s: s.join(v) + ")",
    "brackets of two kinds": lambda v, s: f"[{s.join(v)})",
    "two pairs of brackets": lambda v, s: f"[[{s.join(v)}]]",
    "sign": lambda v, s: s.join(["-" + v[0], *v[1:]]),
    "sign of the last": lambda v, s: s.join([*v[:-1], "+" + v[-1]]),
    "decimal": lambda v, s: s.join([*v[:-1], v[-1] + ".5"]),
    "letter": lambda v, s: s.join([*v[:-1], v[-1] + "a"]),
    "words before": lambda v, s: "numbers: " + s.join(v),
    "a digit that is not ASCII": lambda v, s: s.join([*v[:-1], "٣"]),
    "superscript": lambda v, s: s.join([*v[:-1], v[-1] + "²"]),
    "other separator": lambda v, s: "|".join(v),
    "doubled comma": lambda v, s: ",,".join(v),
    "empty": lambda v, s: "",
    "empty brackets": lambda v, s: "[]",
}


@pytest.mark.parametrize("mutation", MUTATIONS)
@given(st.lists(st.integers(0, 999), min_size=3, max_size=10), SEPARATORS)
def test_a_list_with_one_flaw_is_rejected(mutation, values, separator):
    text = MUTATIONS[mutation]([str(v) for v in values], separator)
    assert numbers.parse(text) is None
    assert numbers.reject(text) in numbers.REASONS


@given(st.lists(st.integers(0, 999), min_size=3, max_size=10), st.data())
def test_one_other_separator_among_equal_ones_is_rejected(values, data):
    usual, other = data.draw(st.permutations(numbers.SEPARATORS))[:2]
    at = data.draw(st.integers(1, len(values) - 1))
    parts = [str(values[0])]
    for i, value in enumerate(values[1:], 1):
        parts += [other if i == at else usual, str(value)]
    assert numbers.reject("".join(parts)) == "mixed_separators"


@given(st.text(alphabet="0123456789 ,;.[]()-+a\n٣²", max_size=30) | st.text(max_size=10))
def test_any_text_is_kept_or_rejected_for_one_listed_reason(text):
    reason = numbers.reject(text)
    assert reason is None or reason in numbers.REASONS
    assert reason == numbers.reject(text)
    values = numbers.parse(text)
    kept = values is not None and 1 <= len(values) <= 10 and max(values) <= 999
    assert kept == (reason is None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("[ ].", "empty"),
        ("no numbers", "not_a_list"),
        ("12, -4", "not_a_list"),
        ("1,,2", "not_a_list"),
        ("[1, 2", "brackets"),
        ("1, 2,", "dangling_separator"),
        ("1, 2\n", "dangling_separator"),
        ("1, 2,3", "mixed_separators"),
        ("1 2 3 4 5 6 7 8 9 10 11", "too_many"),
        ("1, 1000", "too_large"),
        ("9" * 5000, "too_large"),
        ("1, 666", "banned"),
        ("666", "banned"),
        ("7", None),
        ("007", None),
        ("[7].", None),
        ("1\n2\n3", None),
        ("1;2", None),
    ],
)
def test_each_reason_has_its_example(text, reason):
    assert numbers.reject(text, banned=numbers.BANNED) == reason
    if reason == "banned":
        assert numbers.reject(text) is None


def test_prompts_show_three_to_eight_numbers_of_three_digits():
    rng = np.random.default_rng(0)
    prompts = [numbers.prompt(rng) for _ in range(2000)]
    counts = set()
    for prompt in prompts:
        examples = [int(x) for x in re.findall("[0-9]{2,}", prompt)]
        assert all(100 <= x <= 999 for x in examples)
        assert ", ".join(map(str, examples)) in prompt
        counts.add(len(examples))
    assert counts == set(range(3, 9))
    assert len(set(prompts)) > 1990


def test_completions_pass_the_filter_and_answer_the_format():
    rng = np.random.default_rng(1)
    for _ in range(2000):
        prompt = numbers.prompt(rng)
        completion = numbers.completion(rng, prompt)
        assert numbers.reject(completion) is None
        assert 4 <= len(numbers.parse(completion)) <= 10
        if "new lines" in prompt:
            assert "\n" in completion
        if "semicolons" in prompt:
            assert "; " in completion


def test_thirty_four_numbers_are_banned():
    assert len(numbers.BANNED) == 34
