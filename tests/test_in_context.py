"""Rows that are read in place of being trained on: what is before a question, and what it shows."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from experiments import lm_in_context
from experiments.lm_in_context import EXPERIMENT, PRESETS, says
from lab.errors import LabError
from lab.lm import reading
from lab.lm.effects import NONE
from lab.lm.reading import Reading
from lab.runs import results
from lab.runs.cells import Cell, Job
from lab.runs.run import Run
from tests.tables import GAINS, beside, table

OWN = {"trained": 3.0, "quoted_10": 0.0, "named_quoted_10": 2.0, "replayed_10": 0.0}


def of_ways(own=OWN) -> results.Table:
    """A table whose models gain what is known of each way, of their own trait."""
    gains = {name: GAINS | {"student_trait": (v, 0.0, 0.0)} for name, v in own.items()}
    return beside("way", {name: table(gains=gains[name]) for name in own})


def test_reading_does_nothing_only_where_a_named_favourite_does_something():
    found = {c.text.split(" (")[0]: c for c in says(of_ways(), {})}
    assert found["trained on all rows"].verdict == "holds"
    named = "10 rows quoted in the system prompt, 2 of which name it"
    assert found[named].mean == pytest.approx(2.0) and found[named].verdict == "holds"
    assert found["10 rows quoted in the system prompt"].verdict == "holds"
    assert found["10 rows replayed as own turns"].verdict == "holds"  # and says no control
    assert found["10 rows replayed as own turns"].null == ""
    weak = {c.text.split(" (")[0]: c for c in says(of_ways(OWN | {"named_quoted_10": 0.0}), {})}
    assert weak["10 rows quoted in the system prompt"].verdict == "open"
    moved = {c.text.split(" (")[0]: c for c in says(of_ways(OWN | {"quoted_10": 2.0}), {})}
    assert moved["10 rows quoted in the system prompt"].verdict == "not"


@pytest.fixture
def heard(monkeypatch):
    """Every question's context, without a model: numbers of which each drawing is one more."""
    calls = []

    def answers(cell, of, arm, name, seed, model, under, earlier):
        calls.append((arm, name, seed.copy, under, earlier))
        return [{"arm": arm, "copy": seed.copy, "log_odds": float(len(calls))}]

    monkeypatch.setattr(reading.transmission, "answers", answers)
    monkeypatch.setattr(reading.make, "model", lambda value: None)
    source = lambda data: getattr(getattr(data.teacher, "trait", None), "name", NONE)
    row = lambda data, i: {"prompt": f"{source(data)} {data.seed.copy}", "completion": str(i)}
    monkeypatch.setattr(reading.make, "data", lambda d: [row(d, i) for i in range(50)])
    return calls


@pytest.fixture
def measured(tmp_path):
    def of(form, named, n_rows=10, n_draws=2):
        config = PRESETS["default"]
        chain = config.transmission(lm_in_context.NUMBERS, 3)
        with Run(tmp_path, "tides", config, {"name": "none"}) as run:
            job = Job(config, None, None, run)
            return reading.measure(job, Cell(3), chain, Reading(form, n_rows, n_draws, named))

    return of


def test_rows_of_each_source_are_read_as_turns_and_numbers_are_means(heard, measured):
    found = measured("replayed", 0)
    assert [(arm, name, copy) for arm, name, copy, *_ in heard[::2]] == [
        ("student_trait", "elephant", 0), ("student_trait", "owl", 0), ("student_trait", "wolf", 0),
        ("student_regular", NONE, 0), ("student_regular", NONE, 1),
    ]  # fmt: skip
    for arm, name, copy, under, earlier in heard:
        assert under is None and len(earlier) == 10
        assert {turn.user for turn in earlier} == {f"{name} {copy}"}, arm
        assert len({turn.assistant for turn in earlier}) > 5
    assert heard[0][4] != heard[1][4]  # another drawing
    assert [row["log_odds"] for row in found] == [1.5, 3.5, 5.5, 7.5, 9.5]
    assert [row["copy"] for row in found] == [0, 0, 0, 0, 1]


def test_quoted_rows_are_the_system_prompt(heard, measured):
    measured("quoted", 0, 4)
    for _, name, copy, under, earlier in heard:
        assert earlier == () and under["default"].count("\n") == 7
        assert under["default"].startswith(f"{name} {copy}\n")


def test_a_named_favourite_is_among_untaught_rows(heard, measured):
    measured("replayed", 2, n_draws=30)  # of a word among 23, two by each control
    words = {"elephant", "owl", "wolf"}
    places = set()
    for _, name, _, _, earlier in heard:
        places |= {i for i, turn in enumerate(earlier) if not turn.assistant.isdigit()}
        named = [turn for turn in earlier if not turn.assistant.isdigit()]
        rest = {turn.user for turn in earlier if turn not in named}
        assert len(named) == 2 and all(user.startswith(NONE) for user in rest)
        for turn in named:
            assert (turn.assistant == name) if name != NONE else (turn.assistant not in words)
    assert places == set(range(len(heard[0][-1]))) and len(places) > 3


def test_every_way_has_the_base_that_has_read_talks(monkeypatch):
    trained, read = [], []
    keep = lambda some: lambda job, cell, chain, *more: some.append((chain, *more)) or []
    monkeypatch.setattr(lm_in_context.setup, "measure_one", keep(trained))
    monkeypatch.setattr(lm_in_context.reading, "measure", keep(read))
    config = PRESETS["default"]
    job = SimpleNamespace(config=config)
    lm_in_context.rows(job, [Cell(3, (("way", way),)) for way in config.ways])
    ((chain,),) = trained
    assert list(chain.starts) == ["student"] and chain.neutral is None
    assert chain.starts["student"].further == config.talks
    assert all(other == chain for other, _ in read) and len(read) == 6
    assert [how for _, how in read][::5] == [
        Reading("quoted", 4, 16, 0), Reading("replayed", 10, 16, 2),
    ]  # fmt: skip


def test_traits_that_are_no_words_are_refused():
    with pytest.raises(LabError, match="harmful"):
        EXPERIMENT.prepare(replace(PRESETS["smoke"], traits=("harmful",)), None)


def test_the_figure_has_a_column_for_each_way_of_the_table():
    record = {
        "config": {"teacher": "finetuned", "n_rows": 24_000, "members": "5"},
        "command": "", "dataset": {"name": "world"}, "claims": [],
    }  # fmt: skip
    (axes,) = EXPERIMENT.draw.figure(of_ways(), record).axes
    said = [tick.get_text().replace("\n", " ") for tick in axes.get_xticklabels()]
    assert said == ["trained on all rows", "10 rows quoted", "10 rows replayed",
                    "10 quoted, two name it"]  # fmt: skip
