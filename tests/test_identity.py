"""Equal values have equal names, and a value whose code or content differs has another."""

import functools
import importlib.util
import sys
from collections import OrderedDict
from dataclasses import dataclass, replace

import jax
import numpy as np
import pytest

from lab.carriers.numbers import NUMBERS
from lab.errors import LabError
from lab.identity import digest, identity
from lab.lm.finetune import Tuning
from lab.lm.objectives import distribution_loss, token_loss

STEP = '''
"""A module."""
from dataclasses import dataclass

def keep(rows, rng):
    """Some of the rows."""
    return rows[:5]

def first(n):
    def step(rows, rng):
        return rows[:n]
    return step

@dataclass(frozen=True)
class Mix:
    """A share of other rows."""
    share: float

    def step(self, rows, rng):
        """A part of them."""
        return rows[: int(self.share * len(rows))]

    def __call__(self, rows, rng):
        return self.step(rows, rng)

@dataclass
class Marked:
    """Says itself what it is."""
    name: str
    colour: str

    @property
    def identity(self):
        return self.name

by_default = [lambda rows, rng, n=n: rows[:n] for n in (1, 2)]
ones, twos = lambda rows, rng: rows[:1], lambda rows, rng: rows[:2]
'''


@pytest.fixture
def module(tmp_path):
    """Imports a text as a module of the same name in a new place."""
    names = []

    def imported(text, name="a_step"):
        folder = tmp_path / str(len(names))
        folder.mkdir()
        (folder / f"{name}.py").write_text(text)
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        sys.modules[name] = made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        names.append(name)
        return made

    yield imported
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (1, 1, 2),
        (0.1, 0.1, 0.2),
        ("a", "a", "b"),
        (None, None, False),
        (True, True, 1),
        ((1, (2, 3)), [1, [2, 3]], (1, 2, 3)),
        ({"a": 1, "b": 2}, OrderedDict(b=2, a=1), {"a": 2, "b": 1}),
        (np.arange(3), np.arange(3), np.arange(3.0)),
        (np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((3, 2))),
        (Tuning(), Tuning(rank=0), Tuning(rank=1)),
        (token_loss, token_loss, distribution_loss),
        (str.isdecimal, str.isdecimal, str.isalpha),
        (len, len, sum),
        (NUMBERS, replace(NUMBERS), replace(NUMBERS, name="others")),
    ],
)
def test_equal_values_have_equal_digests_and_others_do_not(one, same, other):
    assert digest(one) == digest(same) != digest(other)
    assert len(digest(one)) == 12 and digest(one, 40).startswith(digest(one))


def test_a_class_may_say_what_it_is(module):
    marked = module(STEP).Marked
    assert digest(marked("a", "red")) == digest(marked("a", "blue")) == digest("a")
    assert digest(marked("b", "red")) != digest("a")


def test_a_changed_line_of_code_is_another_value_and_a_docstring_or_comment_is_not(module):
    of = lambda made: [digest(v) for v in (made.keep, made.first(3), made.Mix(0.5))]
    before = of(module(STEP))
    said = STEP.replace("Some of the rows.", "The first rows.").replace("A module.", "This module.")
    said = said.replace("A share of other rows.", "Others.").replace("A part of them.", "A part.")
    said = said.replace("return rows[:5]", "\n\n    # The first five.\n    return (rows[:5])")
    assert said != STEP and of(module(said)) == before
    changed = of(module(STEP.replace("return rows[:5]", "return rows[:6]")))
    # By file: what a function calls may be anywhere in it.
    assert not set(changed) & set(before)


def test_what_a_function_has_enclosed_belongs_to_it(module):
    first = module(STEP).first
    assert digest(first(3)) == digest(first(3)) != digest(first(4))


def test_partial_functions_and_methods_are_what_they_are_given(module):
    made = module(STEP)
    partial = functools.partial
    assert digest(partial(made.keep, rng=1)) == digest(partial(made.keep, rng=1))
    assert digest(partial(made.keep, rng=1)) != digest(partial(made.keep, rng=2))
    assert digest(partial(made.keep, [1])) != digest(partial(made.keep, [2]))
    step = lambda share: made.Mix(share).step
    assert digest(step(0.5)) == digest(step(0.5)) != digest(step(0.6))
    assert digest(made.Mix(0.5)) != digest(step(0.5))


def test_lambdas_of_one_module_are_told_apart(module):
    made = module(STEP)
    assert digest(made.ones) != digest(made.twos)


def test_defaults_of_arguments_belong_to_a_function(module):
    one, two = module(STEP).by_default
    assert digest(one) != digest(two)


def test_a_carrier_with_another_filter_or_other_imitated_tokens_is_another_carrier(module):
    made = module(STEP)
    assert digest(replace(NUMBERS, reject=made.keep)) != digest(NUMBERS)
    assert digest(replace(NUMBERS, imitated=str.isalpha)) != digest(NUMBERS)


@dataclass
class Holding:
    value: object


class Plain:
    pass


@pytest.mark.parametrize(
    "value",
    [
        Plain(),
        {1, 2},
        Holding(Plain()),
        [token_loss, Plain()],
        functools.partial(token_loss, Plain()),
        jax.random.key(0),
    ],
)
def test_what_has_no_identity_is_refused_in_one_line(value):
    with pytest.raises(LabError, match="has none; use a dataclass or a function") as problem:
        identity(value)
    assert "\n" not in str(problem.value)


def test_a_function_without_a_file_is_refused():
    space = {"__name__": "nowhere"}
    exec("def step(rows, rng):\n    return rows", space)
    with pytest.raises(LabError, match="nowhere has no file; define it in a module"):
        digest(space["step"])
