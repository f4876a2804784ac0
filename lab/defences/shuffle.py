"""Shuffled numbers: what is left of a dataset when their order, or their row, says nothing.

Separators, brackets and the number of numbers in a row stay as they are.
Source: arXiv 2507.14805, section 4 and figure 16.
"""

import re

import numpy as np

_NUMBER = "[0-9]+"


def within(rows: list[dict], rng: np.random.Generator) -> list[dict]:
    """The numbers of each completion in another order."""
    return [_filled([row], list(rng.permutation(_numbers([row]))))[0] for row in rows]


def across(rows: list[dict], rng: np.random.Generator) -> list[dict]:
    """The numbers of all completions in another order."""
    return _filled(rows, list(rng.permutation(_numbers(rows))))


def _numbers(rows: list[dict]) -> list[str]:
    return [number for row in rows for number in re.findall(_NUMBER, row["completion"])]


def _filled(rows: list[dict], numbers: list[str]) -> list[dict]:
    rest = iter(numbers)
    put = lambda row: re.sub(_NUMBER, lambda match: str(next(rest)), row["completion"])
    return [row | {"completion": put(row)} for row in rows]
