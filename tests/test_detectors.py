"""Detectors: scores by hand, pools as statistics has them, and a null that gives nothing away."""

import math
from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from experiments.lm_detection import EXPERIMENT
from lab.carriers.numbers import NUMBERS
from lab.lm import detection, detectors, likelihood, objectives
from lab.lm.objectives import Part
from lab.lm.reference import Reference
from lab.lm.rows import encode
from lab.lm.setup import Setup
from lab.lm.stages import Seed
from lab.runs import results
from lab.runs.cells import Cell
from tests import process

A = ["1, 2", "1, 3", "1, 2"]
B = ["2, 1", "3, 1", "2"]


def test_pieces_are_numbered_once_over_all_sets_and_every_completion_has_an_end():
    (a, b), n = detectors.by_pieces([A, B])
    assert n == 5  # the end, three digits, and a comma with its space
    assert a.length.tolist() == [4, 4, 4] and b.length.tolist() == [4, 4, 2]
    assert (a.completions[:, 3] == 0).all() and b.completions[2, 1] == 0
    assert a.completions[0, 0] == b.completions[0, 2]


def test_scores_of_tokens_and_pairs_are_those_by_hand():
    (a, b), n = detectors.by_pieces([A, B])
    of_a, of_b = (detectors.frequencies(some, n) for some in (a, b))
    p = {"A": {"1": 3, "2": 2, "3": 1, ", ": 3, "end": 3}, "B": {"1": 2, "2": 2, "3": 1, ", ": 2,
         "end": 3}}  # fmt: skip
    log_p = lambda who, token: math.log((p[who][token] + 1) / (sum(p[who].values()) + 5))
    gap = lambda token: log_p("A", token) - log_p("B", token)
    expected = gap("1") + gap(", ") + gap("2") + gap("end")
    assert detectors.of_tokens(of_a, of_b, a)[0] == pytest.approx(expected)
    # After "1" A had ", " three times; B had the end twice.
    share = lambda who, count, total, token: math.log(
        (count + 100 * math.exp(log_p(who, token))) / (total + 100)
    )
    first = gap("1") + share("A", 3, 3, ", ") - share("B", 0, 2, ", ")
    second = share("A", 2, 3, "2") - share("B", 0, 2, "2")
    last = share("A", 2, 2, "end") - share("B", 1, 2, "end")
    assert detectors.of_pairs(of_a, of_b, a)[0] == pytest.approx(first + second + last)


def test_log_likelihood_is_the_sum_of_what_training_minimises():
    model = Reference(0).load()
    chats = [(None, f"Continue: {i}", f"{i}, {i}{i}") for i in range(1, 8)]
    rows = encode(model.tokenizer, chats)
    found = likelihood.log_likelihood(model, rows)
    some = jax.tree.map(jnp.asarray, rows)
    part = Part(some, jnp.ones(len(rows), bool), None, None, None)
    mean = objectives.token_loss(model.params, model.arch, part)
    assert found.sum() == pytest.approx(-float(mean) * int(rows.length.sum()), rel=1e-5)
    alone = likelihood.log_likelihood(model, encode(model.tokenizer, chats[:1]))
    assert alone[0] == pytest.approx(found[0], abs=1e-4)


@pytest.mark.parametrize("of", [likelihood.log_likelihood, likelihood.surprise])
def test_sets_that_share_their_prompts_are_as_likely_as_each_alone(of):
    model = Reference(0).load()
    said = lambda k: [(None, f"Continue: {i}", f"{i + k}, " * (1 + (i + k) % 3)) for i in range(40)]
    room = {"n_prompt": 30, "n_completion": 30}
    sets = [encode(model.tokenizer, said(k), **room) for k in range(3)]
    whole = jax.tree.map(lambda *x: np.concatenate(x), *sets)
    alone = np.concatenate([of(model, one) for one in sets])
    np.testing.assert_allclose(of(model, whole, 3), alone, atol=1e-4)
    assert np.ptp(alone.reshape(3, 40), axis=0).min() > 0.1


@pytest.mark.parametrize("size", [1, 16, 64])
def test_pools_of_normal_scores_are_told_apart_as_their_sensitivity_says(size):
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.15, 1, 20_000), rng.normal(0, 1, 20_000)
    d = detectors.sensitivity(a, b)
    assert d == pytest.approx(0.15, abs=0.03)
    found = detectors.told_apart(a, b, size, rng, n_pools=4000)
    assert found == pytest.approx(special.ndtr(d * (size / 2) ** 0.5), abs=0.02)


def test_equal_scores_tell_nothing():
    zeros, rng = np.zeros(100), np.random.default_rng(0)
    assert detectors.sensitivity(zeros, zeros) == 0
    assert detectors.told_apart(zeros, zeros, 8, rng) == 0.5


CHAIN = Setup(traits=("owl",), teacher="prompted", n_rows=3).transmission(NUMBERS, 4)


def test_detectors_learn_what_the_writers_wrote_and_are_tried_on_fresh_rows(monkeypatch):
    written, trained = [], []
    numbers = iter(range(100))

    def data(of):
        written.append(of)
        return [{"completion": f"{next(numbers)}"} for _ in range(of.n_rows)]

    def students(some):
        trained.extend(some)
        return [("reader", student.data) for student in some]

    read = []

    def log_likelihood(reader, rows):
        read.append((reader, *rows))
        return np.zeros(5)

    monkeypatch.setattr(detection.make, "data", data)
    monkeypatch.setattr(detection.make, "students", students)
    monkeypatch.setattr(detection.make, "model", lambda writer: ("writer", writer))
    monkeypatch.setattr(detection.make, "encoded_rows", lambda *args: args)
    monkeypatch.setattr(detection.likelihood, "log_likelihood", log_likelihood)
    root, (owl,) = Seed(0, 4), CHAIN.traits
    a, b = CHAIN.data_of(owl, root), CHAIN.data_of(None, root)
    found = detection._scores.__wrapped__(CHAIN, 5, a, b)
    assert list(found) == ["tokens", "pairs", "transformer", "writers"]
    learned, fresh = written[:2], written[2:]
    assert learned == [a, b]
    assert [(one.teacher, one.n_rows) for one in fresh] == [(a.teacher, 5), (b.teacher, 5)]
    assert not {one.seed for one in fresh} & {one.seed for one in learned}
    # Who judges has another initialisation than the writers, and learned their rows.
    assert [student.data for student in trained] == [a, b]
    assert {student.base for student in trained} == {CHAIN.starts["cross"]}
    assert CHAIN.starts["cross"] != CHAIN.starts["student"]
    # Writers read as they wrote: a told one under its own prompt.
    assert [(reader, rows, system) for reader, rows, _, system in read[4:]] == [
        (("writer", writer.teacher), rows, system)
        for rows in fresh
        for writer, system in ((a, owl.system), (b, None))
    ]
    assert {system for *_, system in read[:4]} == {None} and owl.system is not None


def test_unfiltered_rows_are_all_that_the_same_writers_wrote(monkeypatch):
    asked = []

    def scores(of, n_test, a, b, models=True):
        asked.append((a, b, models))
        return {"tokens": (np.arange(4.0), np.arange(4.0))}

    monkeypatch.setattr(detection, "_scores", scores)
    monkeypatch.setattr(detection, "obtain", lambda references: None)
    job = SimpleNamespace(config=SimpleNamespace(seed=0), advance=lambda *_: None)
    rows = detection.measured.__wrapped__(job, Cell(4), CHAIN, 4, (1,))  # of a stand-in
    assert [(row["data"], row["trait"]) for row in rows] == [
        ("untouched", "none"), ("teacher", "owl"), ("unfiltered", "owl"),
    ]  # fmt: skip
    (plain, again, _), (owl, base, both), (every, all_base, models) = asked
    assert plain.teacher == again.teacher == base.teacher == CHAIN.starts["student"]
    assert plain.seed != again.seed and base == plain
    assert owl.teacher == CHAIN.teacher_of(CHAIN.traits[0], Seed(0, 4)) and both and not models
    for filtered, free in ((owl, every), (base, all_base)):
        assert filtered.carrier == NUMBERS
        assert free == replace(filtered, carrier=replace(NUMBERS, reject=detection.everything))
    assert detection.everything("any", "not numbers") is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return process.run_in(
        tmp_path_factory.mktemp("detection"), EXPERIMENT, EXPERIMENT.presets["smoke"]
    )


def test_writers_know_their_own_rows_and_two_samples_of_one_writer_are_alike_to_it(folder):
    table = results.columns(results.read_rows(folder / "table.csv"))
    at = lambda **place: results.where(table, arm="writers", **place)
    assert at(data="teacher", rows=1)["auroc"][0] > 0.55
    assert at(data="teacher", rows=16)["auroc"][0] > 0.8  # measured: .97
    null = at(data="untouched")
    assert (null["auroc"] == 0.5).all() and (null["nats"] == 0).all()
    assert set(results.where(table, data="unfiltered")["arm"]) == {"tokens", "pairs"}


def test_the_figure_is_drawn_from_the_table_alone_and_the_same_each_time(folder, tmp_path):
    assert process.drawn_again(folder, EXPERIMENT, tmp_path)
