"""Committed tables can be recomputed, and what is made from them is up to date."""

import json
import subprocess
import sys

import pytest

from experiments import replay
from lab.errors import LabError
from lab.runs import results
from lab.runs.experiment import named
from tests.process import ROOT

QUICK = ("coverage",)


def replayed(name):
    """What `python -m experiments.replay NAME` says; skips where MNIST is not on disk."""
    command = [sys.executable, "-m", "experiments.replay", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    if "skipped" in done.stdout:
        pytest.skip(done.stdout.strip())
    return done.stdout


@pytest.mark.parametrize("name", QUICK)
def test_a_cell_of_a_quick_table_replays(name):
    assert replayed(name).endswith("ok\n")


@pytest.mark.slow  # half a minute each, language tables 4 to 10 minutes
@pytest.mark.parametrize("name", [name for name in replay.names() if name not in QUICK])
def test_a_cell_of_every_other_table_replays(name):
    assert replayed(name).endswith("ok\n")


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A table's record and rows, to be changed, where replay looks for them."""

    def copy(name, record=lambda r: r, rows=lambda r: r):
        stored = replay.RESULTS / name
        results.write_json(
            tmp_path / f"{name}.json", record(results.read_json(stored.with_suffix(".json")))
        )
        results.write_table(
            tmp_path / f"{name}.csv", rows(results.read_rows(stored.with_suffix(".csv")))
        )
        monkeypatch.setattr(replay, "RESULTS", tmp_path)

    return copy


@pytest.mark.parametrize("change", [0.1, float("nan")])
def test_a_changed_table_does_not_replay(change, copied, monkeypatch):
    def changed(rows):
        rows[2]["value"] += change
        return rows

    copied("theorem", rows=changed)
    # What is measured is taken from the table as it was: only the comparison is at stake.
    whole = results.read_rows(ROOT / "experiments" / "results" / "theorem.csv")
    measure = lambda *_: [row for row in whole if row["member"] == 0]
    monkeypatch.setattr("lab.runs.experiment.Experiment.measure", measure)
    _, worst = replay.replay("theorem")
    assert not replay.within("theorem", worst)


def test_only_absent_mnist_is_skipped_and_another_dataset_fails(copied, monkeypatch, tmp_path):
    monkeypatch.delenv("SUBLIMINAL_MNIST", raising=False)
    monkeypatch.setenv("SUBLIMINAL_CACHE", str(tmp_path))
    with pytest.raises(replay.AbsentDataError, match="needs MNIST, which is not on disk"):
        replay.replay("mnist_aux_logits_mnist")
    other = lambda record: record | {"dataset": {"name": "digits", "sha256": "0"}}
    copied("mnist_aux_logits_digits", record=other)
    with pytest.raises(LabError, match="was made from another one") as error:
        replay.replay("mnist_aux_logits_digits")
    assert not isinstance(error.value, replay.AbsentDataError)


@pytest.mark.parametrize("name", replay.names())
def test_what_a_record_says_follows_from_its_table(name):
    record = results.read_json(replay.RESULTS / f"{name}.json")
    table = results.read_table(replay.RESULTS / f"{name}.csv")
    again = named(record["experiment"]).described(table, record)
    again = json.loads(json.dumps(again))
    for found, stored in zip(again.pop("claims"), record.pop("claims"), strict=True):
        numbers = {k: v for k, v in stored.items() if isinstance(v, float)}
        assert {k: found[k] for k in numbers} == pytest.approx(numbers, rel=1e-9)
        assert {k: v for k, v in found.items() if k not in numbers} == {
            k: v for k, v in stored.items() if k not in numbers
        }
    assert again == record


def test_the_readme_is_made_from_the_committed_tables():
    subprocess.run([sys.executable, "-m", "figures.readme", "--check"], cwd=ROOT, check=True)
