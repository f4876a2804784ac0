"""Mistakes that one could make in the science: a file of them for each part of it.

`MUTANTS` of every file here are those of `tests.mutants`, by name.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A mistake in a file of the lab, and the tests that notice, "file::name" without "test_"."""

    file: str
    right: str
    wrong: str
    tests: str

    @property
    def nodes(self) -> list[str]:
        """The tests as pytest names them."""
        return [node(test) for test in self.tests.split()]


def node(test: str) -> str:
    """ "effects::x" is test_x of tests/test_effects.py; "effects" the whole file."""
    file, _, name = test.partition("::")
    return f"tests/test_{file}.py" + (f"::test_{name}" if name else "")
