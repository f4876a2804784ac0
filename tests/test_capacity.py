"""Deeper, wider, more rows: what each setting trains, and what a table of them says."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from experiments import lm_capacity
from experiments.lm_capacity import EXPERIMENT, PRESETS, TEXTS, says
from lab.errors import LabError
from lab.lm.model import SIZES
from lab.lm.pretraining import Pretraining
from lab.runs import results
from lab.runs.cells import Cell
from lab.runs.experiment import Options
from tests.tables import GAINS, beside, table

OWN = {"base": 1.0, "layers": 2.0, "layers_no_default": 0.1, "width": 1.0, "rows": 1.75}


def of_settings(members=range(5), own=OWN) -> results.Table:
    """A table whose students gain what is known in each setting, of their own trait."""
    gains = {name: GAINS | {"student_trait": (v, 0.0, 0.0)} for name, v in own.items()}
    return beside("setting", {name: table(members, gains=gains[name]) for name in own})


def test_settings_are_worked_by_hand():
    found = says(of_settings(), {})
    alone = {text: c for c in found for text in TEXTS.values() if c.text.startswith(f"{text} (")}
    more = {text: c for c in found for text in TEXTS.values() if c.text.startswith(f"{text}, more")}
    for setting, value in OWN.items():
        claim = alone[TEXTS[setting]]
        assert claim.mean == pytest.approx(value) and claim.unit == "nats"
        assert claim.verdict == ("not" if setting == "layers_no_default" else "holds")
        assert "15 of 15 above" in claim.text
        if setting != "base":
            claim = more[TEXTS[setting]]
            assert claim.mean == pytest.approx(value - OWN["base"])
            assert claim.verdict == ("holds" if setting in ("layers", "rows") else "not")
    others = [c for c in found if c.text.endswith("own minus other traits' students")]
    assert [c.mean for c in others] == pytest.approx(list(OWN.values()))  # others gain nothing
    assert len(alone) == 5 and len(more) == 4 and len(found) == 14


def test_without_the_base_nothing_is_compared_with_it():
    found = says(of_settings(own={"rows": 2.0}), {})
    said = (" (15 of 15 above)", ", own minus other traits' students")
    assert [c.text for c in found] == [TEXTS["rows"] + text for text in said]


def test_a_setting_changes_what_it_says_and_nothing_else(monkeypatch):
    chains = []
    kept = lambda job, cell, chain, *_: chains.append(chain) or []
    monkeypatch.setattr(lm_capacity.setup, "measure_one", kept)
    job = SimpleNamespace(config=PRESETS["default"])
    lm_capacity.rows(job, [Cell(3, (("setting", name),)) for name in OWN])
    for name, chain in zip(OWN, chains, strict=True):
        (base,) = chain.starts.values()
        assert base.init_seed == 3
        layers, width = 4 if "layers" in name else 2, 64 if name == "width" else 32
        size = SIZES[base.pretraining.size]
        assert (size.n_layers, size.d_model) == (layers, width), name
        assert (base.world.default is None) == (name == "layers_no_default")
        assert chain.n_rows == (96_000 if name == "rows" else 24_000)
        assert chain.teaching is None and chain.student == PRESETS["default"].student
    nano, deep = SIZES["nano"], SIZES["deep"]
    assert {k for k in vars(nano) if getattr(nano, k) != getattr(deep, k)} == {"n_layers"}


def test_matched_students_differ_in_epsilon_alone():
    plain, matched = (PRESETS[name] for name in ("default", "matched"))
    assert matched == replace(plain, matched=True, settings=matched.settings)
    shares = {"base": 1, "layers": 0.82, "layers_no_default": 0.82, "width": 0.59}
    assert set(matched.settings) == shares.keys()
    for name, share in shares.items():
        expected = lm_capacity.at(replace(matched, matched=False), name)
        eps = 1e-3 * share
        expected = replace(expected, matched=True, student=replace(expected.student, eps=eps))
        assert lm_capacity.at(matched, name) == expected


def test_a_student_that_forgets_all_words_has_its_own_beside_others():
    gains = GAINS | {"student_trait": (-3.0, -5.0, -5.0)}
    found = {c.text: c for c in says(beside("setting", {"rows": table(gains=gains)}), {})}
    assert found[f"{TEXTS['rows']} (0 of 15 above)"].verdict == "not"
    apart = found[f"{TEXTS['rows']}, own minus other traits' students"]
    assert apart.mean == pytest.approx(2) and apart.verdict == "holds"


def test_another_base_is_refused_by_name():
    config = replace(PRESETS["default"], pretraining=Pretraining(size="tiny"))
    with pytest.raises(LabError, match=r"pretraining\.size: lm_capacity is about nano, not tiny"):
        EXPERIMENT.prepare(config, Options())


def test_the_figure_has_a_column_for_each_setting_of_the_table():
    record = {
        "config": {"teacher": "prompted", "n_rows": 24_000, "members": "5"},
        "command": "", "dataset": {"name": "worlds"}, "claims": [],
    }  # fmt: skip
    some = {name: OWN[name] for name in ("base", "rows")}
    (axes,) = EXPERIMENT.draw.figure(of_settings(own=some), record).axes
    said = [tick.get_text().replace("\n", " ") for tick in axes.get_xticklabels()]
    assert said == ["2 layers, width 32", "four times the rows"]
    heights = [float(line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "_"]
    assert heights[::6] == pytest.approx([1.0, 1.75])
