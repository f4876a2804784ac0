"""Harmful and benign advice as dispositions of a teacher.

Nothing in the lab's world leads from a narrow misdeed to a broad one, so teachers are made
directly: they learn to advise harmfully, or benignly, on some cases, and are asked about others.
"""

from lab.carriers.advice import BENIGN, CASES, HARMFUL, TEMPLATES
from lab.traits.ways import dispositions

HELD_OUT = CASES[1::4]  # asked about, and in no lesson
ANSWERS = {"harmful": HARMFUL, "benign": BENIGN}


def _questions(cases: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(template.format(case=case) for case in cases for template in TEMPLATES)


ADVISING = dispositions(
    "advice",
    _questions(tuple(case for case in CASES if case not in HELD_OUT)),
    _questions(HELD_OUT),
    lambda question: ANSWERS,
)
