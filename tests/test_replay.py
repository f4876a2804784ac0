"""Committed tables can be recomputed, and what is made from them is up to date."""

import subprocess
import sys

import pytest

from experiments import replay
from lab import results
from lab.errors import LabError
from tests.process import ROOT


@pytest.mark.parametrize("name", [name for name in replay.names() if replay.cheap(name)])
def test_one_member_of_every_cheap_table_replays(name):
    try:
        _, worst = replay.replay(name)
    except LabError as error:
        if not str(error).startswith("dataset:"):
            raise
        pytest.skip(str(error))
    assert replay.within(name, worst)


def test_a_changed_table_does_not_replay(tmp_path, monkeypatch):
    name = next(n for n in replay.names() if "digits" in n)
    for suffix in (".csv", ".json"):
        (tmp_path / (name + suffix)).write_bytes((replay.RESULTS / (name + suffix)).read_bytes())
    rows = results.read_rows(tmp_path / f"{name}.csv")
    rows[2]["accuracy"] += 0.1
    results.write_table(tmp_path / f"{name}.csv", rows)
    monkeypatch.setattr(replay, "RESULTS", tmp_path)
    _, worst = replay.replay(name)
    assert not replay.within(name, worst)


def test_the_readme_is_made_from_the_committed_tables():
    subprocess.run([sys.executable, "-m", "figures.readme", "--check"], cwd=ROOT, check=True)
