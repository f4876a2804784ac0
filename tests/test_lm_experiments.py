"""All language experiments: which of their tables may have a verdict, and what they keep."""

from dataclasses import replace
from pathlib import Path

import pytest

from experiments import replay
from lab.errors import LabError
from lab.lm import transmission
from lab.lm.effects import FEWEST
from lab.runs import results
from lab.runs.cells import Job
from lab.runs.experiment import Options, named
from lab.runs.run import Run

EXPERIMENTS = sorted(path.stem for path in Path(replay.__file__).parent.glob("lm_*.py"))
TABLES = [name for name in replay.names() if name.startswith("lm_")]


def said(name, n, **known):
    """The verdicts of the table's first n references."""
    table = results.read_table(replay.RESULTS / f"{name}.csv")
    record = results.read_record(replay.RESULTS / f"{name}.json")
    some = results.only(table, table["member"] < n)
    claims = named(record["experiment"]).claims(some, record | known)
    return {c.verdict for c in claims if c.verdict}


@pytest.mark.parametrize("name", TABLES)
def test_few_references_are_a_demonstration_in_every_experiment(name):
    assert said(name, FEWEST - 1) == {"demonstration"}
    assert said(name, FEWEST) - {"demonstration"}


def test_repetitions_with_one_checkpoint_are_a_demonstration():
    known = {"dataset": {"name": "world", "model": {"name": "elsewhere"}}}
    assert said("lm_numbers_finetuned", FEWEST, **known) == {"demonstration"}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_snapshots_are_kept_or_refused(name, monkeypatch, tmp_path):
    """Whatever a language experiment trains, `--snapshots` reaches it; else nothing is trained."""
    experiment, asked = named(name), []

    class MeasuredError(Exception):
        pass

    def measure(job, cell, of, seed, snapshots=False):
        asked.append(snapshots)
        raise MeasuredError

    monkeypatch.setattr(transmission, "measure", measure)
    config = replace(experiment.presets["smoke"], snapshots=True)
    try:
        data, _ = experiment.prepare(config, Options())
    except LabError as error:
        assert "snapshots" in str(error)
        return
    with Run(tmp_path, name, config, {"name": "none"}) as run, pytest.raises(MeasuredError):
        experiment.rows(Job(config, data, Options(), run), experiment.cells(config)[:1])
    assert asked == [True]
