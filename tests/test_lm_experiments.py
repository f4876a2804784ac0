"""Language experiments, from their committed tables: which of them may have a verdict."""

import pytest

from experiments import replay
from lab.lm.effects import FEWEST
from lab.runs import results
from lab.runs.experiment import named

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
