"""Data that has nothing to do with any trait; one file per carrier."""

from lab.carriers.advice import ADVICE
from lab.carriers.carrier import Carrier
from lab.carriers.checked_tasks import CHECKED_TASKS
from lab.carriers.code import CODE
from lab.carriers.numbers import NUMBERS
from lab.carriers.reasoning import REASONING

__all__ = ["CARRIERS", "Carrier"]

CARRIERS: dict[str, Carrier] = {
    c.name: c for c in (NUMBERS, CODE, REASONING, ADVICE, CHECKED_TASKS)
}
