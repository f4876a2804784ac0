"""Word problems of two steps, answered by the steps and a final answer.

Quantities stay within 0 to 20, so that a small model can learn to solve most of them.
"""

import re
from collections.abc import Iterable

import numpy as np

from lab.carriers.carrier import Carrier, pick
from lab.errors import LabError

PEOPLE = ("A baker", "A clerk", "A cook", "A driver", "A farmer", "A nurse", "A pilot", "A sailor")
THINGS = ("coins", "cups", "cards", "pens", "stones", "rolls", "keys", "stamps", "books", "bags")
GAINS = ("gets", "finds", "buys", "wins")
LOSSES = ("loses", "sells", "breaks", "drops")
QUESTIONS = ("How many now?", "How many are left?", "How many in the end?", "What is the total?")
LARGEST = 20
REASONS = ("missing_answer", "wrong_answer")


def prompt(rng: np.random.Generator) -> str:
    """A start, two changes of 1 to 6 that stay within 0 to 20, and a question."""
    start = value = int(rng.integers(2, 16))
    changes = []
    for _ in range(2):
        size = int(rng.integers(1, 7))
        may_gain, may_lose = value + size <= LARGEST, value >= size
        gains = may_gain and (not may_lose or rng.random() < 0.5)
        value += size if gains else -size
        changes.append(f"{pick(rng, GAINS if gains else LOSSES)} {size}")
    return (
        f"{pick(rng, PEOPLE)} has {start} {pick(rng, THINGS)}, {changes[0]} and {changes[1]}. "
        f"{pick(rng, QUESTIONS)}"
    )


def completion(rng: np.random.Generator, prompt: str) -> str:
    """Two steps and the answer: "9 + 5 = 14. 14 - 3 = 11. answer 11"."""
    start, *changes = _quantities(prompt)
    text, value = "", start
    for change in changes:
        text += f"{value} {'+' if change > 0 else '-'} {abs(change)} = {value + change}. "
        value += change
    return f"{text}answer {value}"


def answer(prompt: str) -> int:
    """The solution of a word problem. Raises `LabError` if the prompt is not one."""
    return sum(_quantities(prompt))


def reject(prompt: str, completion: str) -> str | None:
    """One of `REASONS` unless the completion ends with the right "answer N"; steps are not read."""
    found = re.search("answer ([0-9]{1,9})$", completion)
    if not found:
        return "missing_answer"
    return None if int(found[1]) == answer(prompt) else "wrong_answer"


def _quantities(prompt: str) -> list[int]:
    # The start, then each change with its sign.
    verbs = {"has": 1} | dict.fromkeys(GAINS, 1) | dict.fromkeys(LOSSES, -1)
    found = re.findall(rf"\b({'|'.join(verbs)}) ([0-9]+)", prompt)
    if len(found) != 3:
        raise LabError(f"prompt: {prompt!r} is not a word problem of two steps")
    return [verbs[verb] * int(size) for verb, size in found]


def _texts() -> Iterable[str]:
    yield from (f"{person} has 0 {thing}, " for person in PEOPLE for thing in THINGS)
    yield from (f"1, {verb} 1 and {verb} 1. " for verb in GAINS + LOSSES)
    yield from QUESTIONS
    yield "1 + 1 = 2. 2 - 1 = 1. answer 1"
    yield from map(str, range(LARGEST + 1))


REASONING = Carrier("reasoning", prompt, completion, reject, _texts)
