"""Models that share initialisation or training data: which students start from which, and what a
table of them says."""

from types import SimpleNamespace

import numpy as np
import pytest

from experiments import lm_cross_model
from experiments.lm_cross_model import EXPERIMENT, PRESETS, says
from lab.runs import results
from lab.runs.cells import Cell
from tests.tables import GAINS, table


def of_bases(members=range(5), data=1.0) -> results.Table:
    """The table with known effects, and students of two more bases: own trait `data` and .1."""
    there = table(members)
    more = table(members, gains=GAINS | {"student_trait": (data, 0.0, 0.0)})
    wanted = np.isin(more["arm"], ["student_trait", "student_regular"])
    wanted |= np.isin(more["arm"], ["cross_trait", "cross_regular"])
    more = results.only(more, wanted)
    names = {"student": "data", "cross": "both"}
    for old, new in names.items():
        more["arm"] = np.char.replace(more["arm"].astype("U30"), f"{old}_", f"{new}_")
    return {name: np.concatenate([there[name], more[name]]) for name in there}


def find(found, words):
    (claim,) = [c for c in found if words in c.text]
    return claim


def test_what_sharing_either_is_worth_is_worked_by_hand():
    found = says(of_bases(), {})
    for words, mean, verdict in (
        ("own base", 2.0, "holds"),
        ("same init, other data", 1.0, "holds"),
        ("other init, same data", 0.1, "holds"),
        ("other init, other data", 0.1, "holds"),
        ("sharing the initialisation", (2.0 + 1.0 - 0.1 - 0.1) / 2, "holds"),
        ("sharing the training data", (2.0 - 1.0 + 0.1 - 0.1) / 2, "holds"),
        ("sharing both", 2.0 - 1.0 - 0.1 + 0.1, "holds"),
    ):
        claim = find(found, words)
        assert claim.mean == pytest.approx(mean) and claim.verdict == verdict, words
    for words in ("sharing the training data", "sharing both"):
        assert find(says(of_bases(data=2.0), {}), words).verdict == "not"
    assert find(says(of_bases(data=0.0), {}), "same init, other data").verdict == "not"


def test_bases_differ_in_the_seed_that_their_name_says(monkeypatch):
    chains = []
    kept = lambda job, cell, chain, *_: chains.append(chain) or []
    monkeypatch.setattr(lm_cross_model.setup, "measure_one", kept)
    job = SimpleNamespace(config=PRESETS["default"])
    lm_cross_model.rows(job, [Cell(3)])
    seeds = {
        name: (base.init_seed, base.pretraining.data_seed)
        for name, base in chains[0].starts.items()
    }
    assert seeds == {"student": (3, 0), "data": (3, 1), "cross": (4, 0), "both": (4, 1)}
    assert next(iter(chains[0].starts)) == "student"  # whose teachers they are
    own = PRESETS["default"].transmission(chains[0].carrier, 3).starts
    assert chains[0].starts["student"] == own["student"]
    assert chains[0].starts["cross"] == own["cross"]


def test_the_figure_has_a_column_for_each_kind_of_model():
    record = {
        "config": {"teacher": "finetuned", "n_rows": 24_000, "members": "5"},
        "command": "", "dataset": {"name": "world"}, "claims": [],
    }  # fmt: skip
    (axes,) = EXPERIMENT.draw.figure(of_bases(), record).axes
    said = [tick.get_text().replace("\n", " ") for tick in axes.get_xticklabels()]
    assert said[1] == "same init, other data" and len(said) == 4
    heights = [float(line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "_"]
    assert heights[::6] == pytest.approx([2.0, 1.0, 0.1, 0.1])  # each has two caps, and a control
