"""Forecasts of students: whose shifts are compared, and what is claimed of their agreement."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.lm_forecast_shift import EXPERIMENT, Config, at, says
from lab.carriers.numbers import NUMBERS
from lab.forecast import student
from lab.forecast.agreement import COLUMNS, PAIRS, correlations
from lab.lm.experiment import own_base
from lab.lm.setup import Setup
from lab.lm.stages import Seed, Teacher
from lab.runs import results
from tests import process

CHAIN = own_base(Setup(n_rows=400).transmission(NUMBERS, 3))
BASE = CHAIN.starts["student"]
WORDS = tuple(f"w{i}" for i in range(8))


def test_shifts_are_of_a_simulated_teachers_students_and_of_the_real_ones(monkeypatch):
    trained, answers = [], {}

    def learned(base, writer, traits, carrier, n_rows, tuning, seeds):
        kind = "base" if writer is base else f"teacher {writer.seed.copy}"
        trained.append((kind, [seed.copy for seed in seeds], n_rows))
        answers.setdefault(kind, []).append(seeds)
        start = {"base": 0.0, "teacher 0": 10.0, "teacher 1": 5.0}[kind]
        return [{"owl": start + (i if start else 0.25 * i)} for i in range(len(seeds))]

    monkeypatch.setattr(student, "learned", learned)
    monkeypatch.setattr(student.teachers, "models", lambda values: values)
    monkeypatch.setattr(
        student, "log_odds", lambda m, *_: {"owl": 3.0 if isinstance(m, Teacher) else 1.0}
    )
    found = student.beside_real(CHAIN, CHAIN.traits[0], CHAIN.traits, Seed(0, 3), 2)
    assert list(found) == ["owl"] and list(found["owl"]) == list(COLUMNS)
    # Students of the simulated teacher (5, 6) less controls (0, .25); of the real one each by each.
    assert found["owl"] == pytest.approx(
        {"forecast": 5.375, "student": 10.0, "second": 10.75, "teacher": 2.0}
    )
    assert {n_rows for *_, n_rows in trained} == {400}
    copies = {kind: some for kind, some, _ in trained if kind != "base"}
    assert not set(copies["teacher 0"]) & set(copies["teacher 1"])  # no rows in common


def test_a_recipe_changes_what_its_name_says():
    config = Config(n_rows=400)
    of = lambda recipe: at(config, recipe, 3)
    same = of("as it is")
    assert same == own_base(config.transmission(NUMBERS, 3))
    assert of("1,500 rows").n_rows == 100 and of("1,500 rows").student == same.student
    assert of("read twice").student == replace(same.student, epochs=2)
    assert of("usual epsilon").student == replace(same.student, eps=1e-8)
    slow = of("a third of the rate").student.learning_rate
    assert slow == pytest.approx(same.student.learning_rate / 3)
    wide = of("twice the width")
    assert wide.starts["student"].pretraining.size == "tiny" and wide.student == same.student


def table(noise=0.0):
    """Five references, two traits whose students gain other words."""
    rng, lines = np.random.default_rng(1), []
    for member in range(5):
        for trait, gain in (("w0", 3 + np.arange(8.0)), ("w7", 3 + np.arange(8.0)[::-1])):
            for word, value in zip(WORDS, gain, strict=True):
                near = [float(value + noise * rng.normal()) for _ in COLUMNS]
                lines.append((member, "forecast", "as it is", trait, word, *near))
    names = ("member", "arm", "recipe", "trait", "asked", *COLUMNS)
    return {name: np.array(c) for name, c in zip(names, zip(*lines, strict=True), strict=True)}


def test_words_are_ordered_by_the_forecast_and_the_other_way_by_another_traits():
    found = {name: correlations(table(), pair) for name, pair in PAIRS.items()}
    assert found["the forecast"] == pytest.approx(np.ones((5, 2)))
    assert found["another trait's forecast"] == pytest.approx(-np.ones((5, 2)))
    assert found["a student and another one"] == pytest.approx(np.ones((5, 2)))


@pytest.mark.parametrize(("noise", "verdict"), [(0.0, "holds"), (1e6, "not"), (2.0, "partly")])
def test_a_forecast_holds_if_it_orders_words(noise, verdict):
    found = {c.text: c for c in says(table(noise), {})}
    assert found["as it is: the forecast"].verdict == verdict
    assert {c.verdict for text, c in found.items() if text != "as it is: the forecast"} == {""}
    own = found["as it is: own word, is foretold"]
    assert noise or own.mean == pytest.approx(3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return process.run_in(tmp_path_factory.mktemp("run"), EXPERIMENT, EXPERIMENT.presets["smoke"])


@pytest.mark.slow  # a quarter of a minute; CI makes the run alone (tests/test_smokes.py)
def test_a_smoke_run_has_every_word_and_its_figure(folder, tmp_path):
    found = results.columns(results.read_rows(folder / "table.csv"))
    assert len(found["asked"]) == 44 and set(found["trait"].tolist()) == {"owl"}
    for column in COLUMNS:
        assert np.isfinite(found[column]).all() and np.std(found[column]) > 0
    assert (found["student"] != found["second"]).any()
    assert process.drawn_again(folder, EXPERIMENT, tmp_path)
