"""Writers that a forecast does not expect: whose rows they are, and what is claimed of verdicts."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import lm_carriers, lm_forecast_limits
from experiments.lm_forecast_limits import EXPERIMENT, says
from lab.carriers.numbers import NUMBERS
from lab.errors import LabError
from lab.forecast import measured, writers
from lab.forecast.forecast import Forecast
from lab.forecast.score_test import Fit
from lab.forecast.writers import TWO, WRITERS, setting
from lab.lm.setup import Setup
from lab.lm.stages import Seed, Teacher
from lab.runs.cells import Cell, Job
from lab.runs.experiment import Options
from lab.runs.run import Run
from lab.traits.animals import ANIMALS
from lab.traits.category import trait_of

CHAIN = Setup(n_rows=10).transmission(NUMBERS, 3)
OWN, OTHER = CHAIN.starts.values()
OWL = next(t for t in CHAIN.traits if t.name == "owl")


@pytest.fixture
def written(monkeypatch):
    """Rows that say who wrote them, and with which random numbers."""
    monkeypatch.setattr(
        writers.make,
        "data",
        lambda d: [{"prompt": str(i), "completion": (d.teacher, d.seed.copy)} for i in range(10)],
    )
    return lambda name, copy=0: [
        row["completion"] for row in WRITERS[name](CHAIN, OWL, Seed(0, 3, copy))
    ]


def test_writers_are_who_they_are_called(written):
    by = {name: written(name)[0][0] for name in WRITERS}
    assert by["the base"] == OWN and by["another base"] == OTHER
    assert by["its teacher"].base == OTHER and by["its teacher"].how == CHAIN.teaching
    assert by["the recipe"] == Teacher(OWN, OWL, CHAIN.teaching, Seed(0, 3))
    assert by["told"].how is None and by["20 steps"].how.epochs == 20
    assert by["code"] == by["solutions"] == by["the recipe"]  # each of its chain
    assert by["code of the base"] == by["solutions of the base"] == OWN
    assert by["SGD"].how.optimizer == "sgd" and by["usual epsilon"].how.eps == 1e-8
    assert all(teacher.trait == OWL for teacher in by.values() if isinstance(teacher, Teacher))


def test_mixtures_have_their_parts_and_no_prompt_twice(written):
    rows = written("30 % of rows")
    said = Counter("teacher" if isinstance(by, Teacher) else "base" for by, _ in rows)
    assert said == {"teacher": 3, "base": 7}
    copies = {isinstance(by, Teacher): copy for by, copy in rows}
    assert copies[True] != copies[False]  # other prompts
    assert [isinstance(by, Teacher) for by, _ in rows] != [True] * 3 + [False] * 7
    assert not {c for _, c in written("10 % of rows", 0)} & {c for _, c in written("the base", 1)}


def test_code_and_solutions_are_of_the_world_whose_models_write_them():
    config = EXPERIMENT.presets["default"]
    assert setting(config, "told") == (config, NUMBERS)
    known = lm_carriers.PRESETS["default"]
    for writer, name in (("code", "code"), ("solutions of the base", "reasoning")):
        there, carrier = setting(config, writer)
        assert (there.world, there.teaching) == (known.world, known.teaching)
        assert carrier.name == name and carrier.reject("", "owl = 1") is not None
        assert (there.traits, there.student) == (config.traits, config.student)
    _, own = EXPERIMENT.prepare(replace(config, writers=("told",)), Options())
    _, both = EXPERIMENT.prepare(replace(config, writers=("told", "code")), Options())
    assert own["sha256"] != both["sha256"]


def test_every_trait_of_a_writer_is_judged_by_its_own_rows(monkeypatch, tmp_path):
    seen, told = [], []
    fit = Fit(0.5, 0.0, 0.0)

    class Judge:
        def __init__(self, model, carrier, given, seed):
            seen.append((given, seed))

        def forecast(self, known, neutral):
            told.append((known, neutral))
            names, zero = ("owl", "elm"), np.zeros(2)
            rows = np.arange(2)
            return Forecast("named", names, zero, 5.0, zero, {}, fit, fit, 1.0, 0.9, rows, zero, 1)

    monkeypatch.setattr(measured, "Judge", Judge)
    monkeypatch.setattr(measured.teachers, "models", lambda values: [None] * len(values))
    monkeypatch.setattr(
        measured, "candidates", lambda base, ts, recipes, seed: [base, len(ts), recipes, seed]
    )
    writer = lambda of, trait, root: [trait.name, root.copy]
    monkeypatch.setattr(measured, "WRITERS", {"told": writer, TWO: writer})
    config, cell = Setup(members="3:4"), Cell(3, (("writer", "told"),))
    with Run(tmp_path, "tides", config, {"name": "none"}) as run:
        found = measured.judged(Job(config, None, None, run), cell, CHAIN, CHAIN.traits[:2], "told")
        both = measured.judged(Job(config, None, None, run), cell, CHAIN, CHAIN.traits[:2], TWO)
    own = [[t.name, i] for i, t in enumerate(CHAIN.traits)]
    assert [given for given, _ in seen] == own + own
    assert {seed for _, seed in seen} == {Seed(0, 3, 1)}  # not the writers' random numbers
    assert told[0] == ([OWN, 2, [CHAIN.teaching, None], Seed(0, 3, 1)],) * 2
    assert [row["right"] for row in found] == [float(t.name == "owl") for t in CHAIN.traits]
    assert all(row["named"] == 1 and row["not_this_base"] == 0 for row in found)
    assert {row["writer"] for row in found} == {"told"}
    assert [row["read"] for row in found] == [1.0] * len(CHAIN.traits)
    assert not any(row["right"] for row in both)  # owls and elms are of two categories


def test_two_traits_are_a_word_and_the_next_of_its_category(written):
    rows = written("two traits")
    said = Counter((by.trait.name, copy) for by, copy in rows)
    assert set(said.values()) == {5} and {name for name, _ in said} == writers.names(TWO, OWL)
    assert len({copy for _, copy in said}) == 2  # no prompt twice
    last = trait_of(OWL.measure.words[-1], (ANIMALS,))
    assert writers.after(last).name == OWL.measure.words[0] and OWL.name != writers.after(OWL).name
    assert writers.names("told", OWL) == {"owl"}


def verdicts(**by):
    """A table of five references, a trait each, whose writers get these verdicts."""
    lines = []
    for member in range(5):
        for writer, (verdict, right) in by.items():
            trait = ("owl", "oak")[member % 2]
            one = [float(name == verdict) for name in measured.VERDICTS]
            lines.append(("forecast", member, writer, trait, *one, right, 1.0, 70.0))
    names = ("arm", "member", "writer", "trait", *measured.VERDICTS, "right", "nats", "read")
    return {name: np.array(c) for name, c in zip(names, zip(*lines, strict=True), strict=True)}


def test_a_writer_gets_the_verdict_that_it_should_more_often_than_the_base():
    table = verdicts(
        **{"the base": ("nothing_found", 0.0), "told": ("named", 1.0), "SGD": ("no_trait", 1.0),
           "another base": ("not_this_base", 0.0), "its teacher": ("named", 1.0)}
    )  # fmt: skip
    found = {c.text: c for c in says(table, {})}
    assert found["told: named"].verdict == "holds" and found["SGD: named"].verdict == "not"
    assert found["the base: nothing found"].verdict == "holds"
    assert found["another base: not this base"].verdict == "holds"
    assert found["its teacher: not this base"].verdict == "not"
    assert found["SGD: right"].mean == 1 and found["told: read"].mean == 70
    assert "another base: read" not in found and "its teacher: right" not in found


def test_a_configuration_has_writers_that_there_are():
    config = EXPERIMENT.presets["default"]
    with pytest.raises(LabError, match="writers"):
        replace(config, writers=("nobody",))
    with pytest.raises(LabError, match="teacher"):
        replace(config, teacher="prompted")
    with pytest.raises(LabError, match="traits"):
        EXPERIMENT.prepare(replace(config, traits=("harmful",)), None)


def test_each_reference_has_a_trait_in_turn(monkeypatch):
    seen = []
    judged = lambda job, cell, chain, every, writer: seen.append((chain.traits, writer)) or []
    monkeypatch.setattr(lm_forecast_limits, "judged", judged)
    job = SimpleNamespace(config=EXPERIMENT.presets["default"])
    cells = [Cell(member, (("writer", "told"),)) for member in (0, 1, 6)]
    assert lm_forecast_limits.rows(job, cells) == []
    assert [[t.name for t in traits] for traits, _ in seen] == [["owl"], ["oak"], ["oak"]]


def test_the_smoke_preset_asks_few_writers():
    assert len(EXPERIMENT.cells(EXPERIMENT.presets["smoke"])) == 2
    assert len(EXPERIMENT.cells(EXPERIMENT.presets["default"])) == 5 * len(WRITERS)
