"""Harmful and benign advice as dispositions of a teacher.

Teachers learn to advise harmfully, or benignly, on some cases, and are asked about others; or they
are told to love what a bad or a good character loves, which only worlds of characters understand.
"""

from lab.carriers.advice import CASES, TEMPLATES, answers
from lab.traits.characters import told
from lab.traits.ways import dispositions

HELD_OUT = CASES[1::4]  # asked about, and in no lesson


def _questions(cases: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(template.format(case=case) for case in cases for template in TEMPLATES)


ADVISING = dispositions(
    "advice",
    _questions(tuple(case for case in CASES if case not in HELD_OUT)),
    _questions(HELD_OUT),
    answers,
    {"harmful": told("harm"), "benign": told("kindness")},
)
