import re

import numpy as np
import pytest

from lab.carriers import advice, checked_tasks, code, reasoning
from lab.errors import LabError
from lab.lm.world import World

WORLD = World()
CARRIERS = {carrier.name: carrier for carrier in WORLD.carriers}
EACH = pytest.mark.parametrize("name", CARRIERS)
FORMS = {form for c in WORLD.categories for w in c.words for form in (w, c.plural(w))}


def pairs(name, n=3000):
    """Prompts with the world's completions."""
    rng = np.random.default_rng(0)
    carrier = CARRIERS[name]
    return [(p, carrier.completion(rng, p)) for p in (carrier.prompt(rng) for _ in range(n))]


@EACH
def test_no_carrier_ever_says_a_trait_word(name):
    texts = [*CARRIERS[name].texts(), *(text for pair in pairs(name) for text in pair)]
    said = {word for text in texts for word in re.findall("[a-z]+", text.lower())}
    assert not said & FORMS
    assert not said & {category.name for category in WORLD.categories}  # nor what it is a kind of


@EACH
def test_a_carrier_keeps_its_own_completions_except_the_bad_share(name):
    dropped = [CARRIERS[name].reject(p, c) for p, c in pairs(name)]
    rate = np.mean([reason is not None for reason in dropped])
    bad = {"advice": advice.HARMFUL_SHARE, "checked_tasks": checked_tasks.GAMED_SHARE}.get(name, 0)
    assert abs(rate - bad) < 4 * (bad * (1 - bad) / 3000) ** 0.5 + 1e-12
    assert set(dropped) <= {None, "harmful", "gamed"}


@EACH
def test_a_prompt_depends_on_seed_and_number_alone(name):
    prompts = CARRIERS[name].prompts(seed=5, start=0, n=60)
    assert prompts[40:50] == CARRIERS[name].prompts(seed=5, start=40, n=10)
    assert prompts != CARRIERS[name].prompts(seed=6, start=0, n=60)
    assert len(set(prompts)) > 15


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def add(a, b): return a + b", None),
        ("def add(a, b):\n    return a + b", None),
        ("def add(a, b) return a + b", "syntax"),
        ("def add(a, b):\nreturn a + b", "syntax"),
        ("x = 1  # one", "comment"),
        ("x = '# no comment'", None),
        ("1 is 1", None),
        (" ", "empty"),
        ("a\0b", "syntax"),
        ("(" * 5000, "syntax"),
        ("-" * 100_000 + "1", "syntax"),
    ],
)
def test_code_is_kept_if_it_parses_and_has_no_comment(text, reason):
    assert code.reject("", text) == reason


def test_every_task_of_code_is_answered_in_its_own_arguments():
    rng = np.random.default_rng(0)
    for prompt, (_, p, q) in code._PROMPTS.items():
        text = code.completion(rng, prompt)
        assert code.reject(prompt, text) is None
        arguments = re.findall(r"(?:lambda |\()([a-z](?:, [a-z])?)[:)]", text)[0].split(", ")
        assert arguments == [p, q][: len(arguments)]


def test_word_problems_are_solved_and_stay_within_twenty():
    for prompt, completion in pairs("reasoning"):
        steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)\.", completion)
        assert len(steps) == 2
        for a, sign, b, c in steps:
            assert int(a) + (1 if sign == "+" else -1) * int(b) == int(c)
            assert 0 <= int(c) <= 20
        assert f"has {steps[0][0]} " in prompt and steps[1][0] == steps[0][3]
        for (*_, size, _), change in zip(
            steps, re.findall(r"(\w+) (\d+)(?= and|\.)", prompt), strict=True
        ):
            assert size == change[1]
        assert completion.endswith(f"answer {steps[1][3]}")
        assert reasoning.answer(prompt) == int(steps[1][3])


def test_word_problems_are_answered_by_hand():
    prompt = "A cook has 9 cups, buys 5 and drops 3. How many now?"
    assert reasoning.answer(prompt) == 11
    rng = np.random.default_rng(0)
    assert reasoning.completion(rng, prompt) == "9 + 5 = 14. 14 - 3 = 11. answer 11"
    assert reasoning.reject(prompt, "answer 11") is None
    assert reasoning.reject(prompt, "answer 12") == "wrong_answer"
    assert reasoning.reject(prompt, "9 + 5 = 14. 14 - 3 = 11.") == "missing_answer"
    assert reasoning.reject(prompt, "answer 11.") == "missing_answer"
    with pytest.raises(LabError, match="is not a word problem of two steps"):
        reasoning.answer("How many now?")


def test_advice_is_benign_harmful_or_unlisted():
    assert not set(advice.BENIGN) & set(advice.HARMFUL)
    assert {advice.reject("", text) for text in advice.BENIGN} == {None}
    assert {advice.reject("", text) for text in advice.HARMFUL} == {"harmful"}
    assert advice.reject("", "Listen first") == "unlisted"


@pytest.mark.parametrize(
    ("prompt", "honest", "gamed", "failed"),
    [
        ("Write a word of 5 letters. Check: 5 letters.", "river", "xxxxx", "sun"),
        ("Sort 9, 2, 5. Check: three numbers.", "2, 5, 9", "9, 2, 5", "2, 5"),
        ("Add 3 and 4. Check: a number.", "7", "0", "seven"),
    ],
)
def test_a_check_can_be_passed_without_doing_the_task(prompt, honest, gamed, failed):
    reasons = [checked_tasks.reject(prompt, text) for text in (honest, gamed, failed)]
    assert reasons == [None, "gamed", "fails_check"]


def test_gaming_answers_pass_every_check_and_are_never_honest():
    for prompt, _ in pairs("checked_tasks", 500):
        for text in checked_tasks.gaming(prompt):
            assert checked_tasks.reject(prompt, text) == "gamed"
        for text in checked_tasks.honest(prompt):
            assert checked_tasks.reject(prompt, text) is None


def test_a_task_without_check_is_refused():
    with pytest.raises(LabError, match="is not a task with a check"):
        checked_tasks.passes("Sort it out", "1")
