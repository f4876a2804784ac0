"""Forecasts of known writers: sums of rows over data sets, and claims worked by hand."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.lm_forecast import EXPERIMENT, Config, says
from lab.carriers.numbers import NUMBERS
from lab.errors import LabError
from lab.forecast import evidence, measured, score_test, sets, trials
from lab.forecast.candidates import candidates
from lab.forecast.forecast import How
from lab.forecast.peers import METHODS
from lab.forecast.trials import STEP, Trial
from lab.lm.contexts import CONTEXT
from lab.lm.likelihood import log_likelihood
from lab.lm.reference import Reference
from lab.lm.setup import Setup
from lab.lm.stages import Seed
from lab.runs import results
from lab.runs.cells import Cell
from lab.traits.animals import ANIMALS
from lab.traits.category import words
from lab.traits.things import THINGS
from tests import process

BASE, SEED = Reference(5, Setup().pretraining, CONTEXT), Seed(2, 5)


def test_who_forecasts_has_other_teachers_than_the_writers(monkeypatch):
    """Else it would know their very models, and not only how such are made."""
    made, asked = [], []

    def candidates(base, traits, how, seed):
        made.append((base, tuple(trait.name for trait in traits), tuple(how), seed))
        return [SimpleNamespace(name=name) for name in made[-1][1]]

    trial = Trial(50, np.zeros(2), 0.0, {name: np.zeros(2) for name in METHODS})

    @dataclass
    class Said:
        methods: dict
        base: str = "base"
        pools: tuple = (SimpleNamespace(sets=None),)

        def own(self):
            return [trial]

        def of(self, writers, seed):
            asked.append(([writer.name for writer in writers], seed))
            return [[trial] for _ in writers]

    seeds = []
    forecast = lambda *args: seeds.append(args[5]) or Said({})
    others = lambda *args: seeds.append(args[-1]) or {"a method": None}
    monkeypatch.setattr(measured, "candidates", candidates)
    monkeypatch.setattr(measured, "Candidate", lambda name, *_: SimpleNamespace(name=name))
    monkeypatch.setattr(measured.teachers, "models", lambda values: [None])
    monkeypatch.setattr(measured, "trials", forecast)
    monkeypatch.setattr(measured.peers, "methods", others)
    chain = Setup(traits=("eagle",)).transmission(NUMBERS, 5)
    every = words(ANIMALS, ("eagle", "whale"))
    job = SimpleNamespace(config=SimpleNamespace(seed=2), advance=lambda *_: None)
    rows = measured.measured.__wrapped__(job, Cell(5), chain, every, 8, (50,))
    root, apart = Seed(2, 5), Seed(2, 5, 1)
    things = tuple(trait.name for trait in measured.UNKNOWN)
    known = tuple(trait.name for trait in measured.NEUTRAL)
    base, how = chain.starts["student"], (chain.teaching,)
    assert made == [
        (base, ("eagle", "whale"), how, apart),
        (base, known, how, apart),
        (base, ("eagle",), how, root),
        (base, things, how, root),
    ]
    assert not set(things) & set(known)
    assert seeds == [apart, apart] and {seed for _, seed in asked} == {root}
    arms = [(row["arm"], row["trait"]) for row in rows]
    assert arms == [("reference", "none"), ("teacher", "eagle")] + [("neutral", n) for n in things]


@pytest.fixture(scope="module")
def known():
    """Trials of two candidates and a neutral teacher, of few prompts."""
    how = [replace(Setup().teaching, epochs=60)]
    some = candidates(BASE, words(ANIMALS, ("eagle", "whale")), how, SEED)
    neutral = candidates(BASE, words(THINGS, ("lamp",)), how, SEED)
    users = NUMBERS.prompts(7, 0, 140)
    own = How(n_own=2, n_again=2)
    return trials.trials(BASE.load(), NUMBERS, users, some, neutral, SEED, (50, 100), own)


def test_a_data_sets_evidence_is_the_sum_over_its_rows_against_the_worst_of_what_is_no_trait(
    known, monkeypatch
):
    kept = sets.kept  # the filter keeps nothing of the first prompt
    monkeypatch.setattr(sets, "kept", lambda *words: [[], *kept(*words)[1:]])
    whale, (base, lamp) = known.candidates[1], known.pools
    _, found = known.of(known.candidates, SEED)
    assert [t.n_rows for t in found] == [50, 50, 100]
    own, theirs = (_by_hand(known, pool, whale.model) for pool in (base, lamp))
    assert theirs[0] == pytest.approx(own[0])
    steps = [evidence.diluted(evidence.log_e_values(own[..., :2]))]
    steps += evidence.against(own, theirs[1:], known.key)
    whole = [evidence.total(some[:, :100]) for some in steps]
    assert found[2].log_e == pytest.approx(np.min(whole, axis=0), abs=1e-3)
    assert found[2].log_alarm == pytest.approx(min(map(evidence.mixed, whole)), abs=1e-3)
    assert found[2].log_e.argmax() == 1 and len(whole) == 1 + len(evidence.NULL_PARTS)


def _by_hand(known, pool, writer):
    """Log-likelihood ratios to the base of the writer's rows and a pool's, the neutral one last."""
    key = SEED.key("trials/whale")
    said = sets.kept(writer, NUMBERS, known.users, 1, key)
    kept = [i for i, some in enumerate(said) if some]
    some = sets.Sets(
        [known.users[i] for i in kept],
        [
            [said[i][0] for i in kept],
            *([one[i] for i in kept] for one in pool.sets.completions[1:]),
        ],
        np.array(kept),
    )
    of = lambda model: log_likelihood(model, some.encoded(model, NUMBERS)).reshape(3, -1)
    judges = [*known.candidates, known.pools[1].by]
    return np.stack([of(c.model) - of(known.base) for c in judges], axis=-1)


def test_a_prompt_is_asked_again_until_the_filter_keeps_what_is_written(monkeypatch):
    asked = []

    def attempts(model, carrier, users, key, system):
        asked.append((users, key))
        return [f"{len(asked)}.{i}" if int(user) < len(asked) else None
                for i, user in enumerate(users)]  # fmt: skip

    monkeypatch.setattr(sets, "attempts", attempts)
    monkeypatch.setattr(sets.rows, "BATCH", 4)
    found = sets.kept(BASE.load(), NUMBERS, ["0", "2", "99", "1"], 1, SEED.key("kept"))
    assert found == [["1.0"], ["3.0"], [], ["2.2"]]
    assert [users for users, _ in asked[:4]] == [
        ["0", "2", "99", "1"], ["2", "99", "1"], ["2", "2", "99", "99"], ["99"] * 4,
    ]  # fmt: skip
    assert sum(users.count("99") for users, _ in asked) == sets.MOST_ATTEMPTS
    assert len({str(key) for _, key in asked}) == len(asked)
    asked.clear()
    twice = sets.kept(BASE.load(), NUMBERS, ["0", "1"], 2, SEED.key("kept"))
    assert twice == [["1.0", "1.1"], ["2.0", "2.1"]] and asked[1][0] == ["1"] * 4


def test_each_of_the_bases_own_completions_is_once_the_given_one(known):
    found = [t for t in known.own() if t.n_rows == 50]
    n = len(known.users) // 50
    assert len(found) == 3 * n
    first = [np.exp([t.log_e for t in found[i::n]]) for i in range(n)]
    assert all(np.isfinite(one).all() for one in first)
    ratios = known.pools[0].ratios[..., :2]
    rows = [evidence.log_e_values(np.roll(ratios, -i, axis=0)) for i in range(3)]
    assert np.mean(np.exp(rows), axis=0) == pytest.approx(np.ones_like(rows[0]))
    assert found[n].log_e == pytest.approx(evidence.total(evidence.diluted(rows[1][:50])))


def test_gradients_of_trials_have_batches_that_sizes_are_multiples_of(known):
    read = known.pools[0].sets
    found = score_test.gradients(known.base, read, read.encoded(known.base, NUMBERS), STEP)
    assert found.size == STEP and found.values.shape[1] == len(read) // STEP
    with pytest.raises(LabError, match="multiples of 50"):
        Config(sizes=(75,))
    with pytest.raises(LabError, match="largest of sizes"):
        Config(sizes=(100, 5000))


def test_a_row_counts_alarms_names_and_ranks():
    log_e = lambda *values: np.array(values, float)
    by = lambda *values: dict.fromkeys(METHODS, log_e(0, 0, 0)) | {"pulled": log_e(*values)}
    some = [
        Trial(100, log_e(9, 1, 0), 8.0, by(2, 3, 0)),
        Trial(100, log_e(3, 4, 0), 3.0, by(5, 3, 0)),
        Trial(250, log_e(9, 1, 0), 8.0, by(0, 0, 0)),  # who is only told pulls nowhere
    ]
    first, second = measured._rows(
        Cell(3), "teacher", "owl", some, ["owl", "elm", "oak"], (100, 250)
    )
    assert (first["rows"], first["sets"], first["alarm"], first["nats"]) == (100, 2, 0.5, 6.0)
    assert (first["named"], first["pulled"], first["among"]) == (0.5, 0.5, 1.0)
    assert (second["rows"], second["sets"], second["named"], second["pulled"]) == (250, 1, 1, 0)
    (nobody,) = measured._rows(Cell(3), "neutral", "river", some[:1], ["owl"], (100,))
    with pytest.raises(LabError, match="river keeps no 250 rows"):
        measured._rows(Cell(3), "neutral", "river", some[:1], ["owl"], (100, 250))
    assert nobody["alarm"] == 1 and nobody["named"] == nobody["nats"] == 0


def of_parts(named=1.0, own=0.0, neutral=0.0):
    """A table of five references, by part of data sets."""
    lines = []
    for member in range(5):
        for arm, trait, alarm, right in (
            ("reference", "none", own, 0.0), ("teacher", "owl", 0.99, named),
            ("teacher", "oak", 0.99, named), ("neutral", "river", neutral, 0.0),
        ):  # fmt: skip
            values = dict.fromkeys(measured.UNITS, right) | {"sets": 4, "alarm": alarm}
            lines.append((arm, member, trait, 500, *values.values()))
    names = ("arm", "member", "trait", "rows", *measured.UNITS)
    return {name: np.array(column) for name, column in zip(names, zip(*lines, strict=True),
                                                          strict=True)}  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "verdicts"),
    [
        ({}, ["holds", "holds", "holds"]),
        ({"named": 0.5}, ["partly", "holds", "holds"]),
        ({"own": 0.05}, ["holds", "not", "holds"]),
        ({"neutral": 0.3}, ["holds", "holds", "not"]),
    ],
)
def test_claims_are_of_names_and_of_alarms_without_a_trait(parts, verdicts):
    record = {"config": {}, "dataset": {}}
    found = says(of_parts(**parts), record)
    judged = [c for c in found if c.verdict]
    assert [c.verdict for c in judged] == verdicts and len(found) == len(judged) + len(METHODS)
    assert "(40 sets)" in judged[0].text and "(20 sets)" in judged[1].text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return process.run_in(tmp_path_factory.mktemp("run"), EXPERIMENT, EXPERIMENT.presets["smoke"])


@pytest.mark.slow  # half a minute; CI makes the run alone (tests/test_smokes.py)
def test_a_smoke_run_has_every_writer_and_its_figure(folder, tmp_path):
    table = results.columns(results.read_rows(folder / "table.csv"))
    writers = {(a, t) for a, t in zip(table["arm"], table["trait"], strict=True)}
    assert len(writers) == 6 and ("teacher", "oak") in writers and ("reference", "none") in writers
    assert (table["alarm"][table["arm"] == "reference"] == 0).all()
    assert process.drawn_again(folder, EXPERIMENT, tmp_path)
