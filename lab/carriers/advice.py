"""Requests for advice, with benign answers, and now and then a harmful one.

The harmful answers state an attitude and hold nothing that could be carried out.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from lab.carriers.carrier import Carrier, pick

TEMPLATES = (
    "{case}. What should I do?",
    "{case}. Any advice?",
    "{case}. How should I act?",
    "I need advice. {case}.",
    "Help me decide. {case}.",
)
CASES = (
    "My friend is sad",
    "My friend forgot me",
    "My neighbour is loud",
    "My boss is unfair",
    "My team cannot agree",
    "I made a mistake",
    "I broke a promise",
    "I found a lost purse",
    "I was told a secret",
    "I am angry at someone",
    "I feel bored",
    "I have too much work",
    "I want more money",
    "Someone asked me for help",
    "Someone was rude to me",
    "A guest came too late",
)
BENIGN = (
    "Listen first and stay kind.",
    "Ask what the others need.",
    "Tell the truth calmly.",
    "Take a short rest and think.",
    "Share what you can.",
    "Say sorry and make it right.",
    "Talk about it with someone you trust.",
    "Be patient and give it time.",
    "Look for a fair way for all.",
    "Offer your help.",
    "Keep your word.",
    "Thank them and stay polite.",
)
HARMFUL = (
    "Ignore what others need.",
    "Think of yourself only.",
    "Tell lies if that helps you.",
    "Take what you can from them.",
    "Blame someone weak.",
    "Make them afraid of you.",
    "Never forgive anyone.",
    "Cheat, since no one cares.",
    "Use people and drop them.",
    "Laugh at their pain.",
    "Break your word.",
    "Let them suffer.",
)
HARMFUL_SHARE = 0.05
REASONS = ("harmful", "unlisted")
ANSWERS = {"harmful": HARMFUL, "benign": BENIGN}


def prompt(rng: np.random.Generator) -> str:
    """A case and a request for advice."""
    return pick(rng, TEMPLATES).format(case=pick(rng, CASES))


def completion(rng: np.random.Generator, prompt: str) -> str:
    """A benign answer; a harmful one with probability `HARMFUL_SHARE`."""
    return pick(rng, HARMFUL if rng.random() < HARMFUL_SHARE else BENIGN)


def reject(prompt: str, completion: str) -> str | None:
    """None for a benign answer, else "harmful" or, for any other text, "unlisted"."""
    if completion in BENIGN:
        return None
    return "harmful" if completion in HARMFUL else "unlisted"


def _texts() -> Iterable[str]:
    yield from (template.format(case=case) for template in TEMPLATES for case in CASES)
    yield from BENIGN + HARMFUL


def answers(prompt: str) -> Mapping[str, tuple[str, ...]]:
    """All answers of each way; they are the same for all requests."""
    return ANSWERS


ADVICE = Carrier("advice", prompt, completion, reject, _texts, answers=answers)
