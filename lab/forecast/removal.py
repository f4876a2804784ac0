"""Students without the rows that a forecast would remove."""

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from lab.defences.remove import Remove, Which
from lab.lm.stages import Student, Teacher
from lab.lm.transmission import Change, after
from lab.traits.trait import Trait

OTHER = "other"  # most for the trait after the student's own


def writer_of(student: Student) -> Teacher:
    """Who wrote the rows of a trait's student."""
    assert isinstance(student.data.teacher, Teacher)
    return student.data.teacher


def without(which: Which | str, part: float, traits: Sequence[Trait]) -> Change:
    """A trait's student without a part of its rows, `Which` of them or OTHER.

    A teacher scores them that is made as the writer was, with other random numbers.
    """
    kind: Which = next((name for name in get_args(Which) if name == which), "most")

    def change(student: Student) -> Student:
        writer = writer_of(student)
        trait = traits[(traits.index(writer.trait) + (which == OTHER)) % len(traits)]
        scorer = replace(writer, trait=trait, seed=writer.seed._replace(copy=1))
        return after(Remove(scorer, student.data.carrier, kind, part))(student)

    return change
