"""A trait through several carriers: which rows are kept, what is trained, and what is said."""

from types import SimpleNamespace

import numpy as np
import pytest

from experiments import lm_carriers
from experiments.lm_carriers import EXPERIMENT, PRESETS, says
from lab.carriers.code import CODE
from lab.carriers.numbers import NUMBERS
from lab.carriers.reasoning import REASONING
from lab.carriers.unnamed import NAMES, unnamed
from lab.identity import digest
from lab.lm.contexts import CONTEXT
from lab.runs import results
from lab.runs.cells import Cell
from lab.traits.animals import ANIMALS
from lab.traits.trees import TREES
from tests.tables import GAINS, beside, table

BOTH = (ANIMALS, TREES)


@pytest.mark.parametrize(
    ("completion", "why"),
    [
        ("def add(a, b): return a + b", None),
        ("def owl(a, b): return a + b", NAMES),
        ("def Owls_of(a, b): return a + b", NAMES),
        ("first = lambda a: a[0]", None),  # no fir
        ("wolves = lambda a, b: a + b", NAMES),
        ("cherries = lambda a, b: a + b", NAMES),
        ("def add(tree, b): return tree + b", NAMES),
        ("def add(a, b) return", "syntax"),
        ("def owl(a, b) return", "syntax"),  # what the carrier's own filter finds comes first
    ],
)
def test_code_that_names_a_trait_is_left_out(completion, why):
    assert unnamed(CODE, BOTH).reject("", completion) == why


@pytest.mark.parametrize("carrier", [NUMBERS, CODE, REASONING], ids=lambda c: c.name)
def test_a_carriers_own_completions_name_nothing(carrier):
    rng, clean = np.random.default_rng(0), unnamed(carrier, BOTH)
    for prompt in carrier.prompts(0, 0, 2000):
        assert clean.reject(prompt, carrier.completion(rng, prompt)) is None
    assert digest(clean) != digest(carrier) != digest(unnamed(carrier, (ANIMALS,)))


OWN = {"numbers": 2.0, "code": 1.0, "reasoning": 0.0}


def of_carriers(members=range(5), own=OWN, **options) -> results.Table:
    """A table whose students gain what is known through each carrier, of their own trait."""
    gains = {name: GAINS | {"student_trait": (v, -0.5, -0.5)} for name, v in own.items()}
    return beside("carrier", {name: table(members, gains=gains[name], **options) for name in own})


def test_each_carrier_is_judged_beside_its_own_controls():
    found = {c.text: c for c in says(of_carriers(), {})}
    assert len(found) == 9 and {c.unit for c in found.values()} == {"nats"}
    for carrier, value in OWN.items():
        (own,) = [c for text, c in found.items() if text.startswith(f"{carrier} (")]
        assert own.mean == pytest.approx(value) and f"{value / 8:.2f} of" in own.text
        assert own.verdict == ("not" if value == 0 else "holds")
        others = found[f"{carrier}, own minus other traits' students"]
        assert others.mean == pytest.approx(value + 0.5)
        cross = found[f"{carrier}, another init"]
        # An absence needs something that is there.
        assert cross.mean == pytest.approx(0.1)
        assert cross.verdict == ("open" if value == 0 else "holds")


def test_without_another_init_nothing_is_said_of_it():
    found = says(of_carriers(without=("cross_trait", "cross_regular")), {})
    assert len(found) == 6 and not [c for c in found if "init" in c.text]


def test_every_carrier_has_its_own_rows_and_a_filter_for_words(monkeypatch):
    chains = []
    kept = lambda job, cell, chain, *_: chains.append(chain) or []
    monkeypatch.setattr(lm_carriers.setup, "measure_one", kept)
    job = SimpleNamespace(config=PRESETS["default"])
    lm_carriers.rows(job, [Cell(3, (("carrier", name),)) for name in OWN])
    for name, chain in zip(OWN, chains, strict=True):
        assert chain.carrier == unnamed(CONTEXT.carrier(name), CONTEXT.categories)
        assert list(chain.starts) == ["student", "cross"] and chain.neutral is None
        assert {trait.name for trait in chain.traits} == {"owl", "wolf", "oak"}


def test_the_figure_has_a_panel_for_each_start_and_a_mark_for_each_trait():
    record = {
        "config": {"teacher": "finetuned", "n_rows": 24_000, "members": "5"},
        "command": "", "dataset": {"name": "world"}, "claims": [],
    }  # fmt: skip
    own, cross = EXPERIMENT.draw.figure(of_carriers(), record).axes
    for axes, expected in ((own, list(OWN.values())), (cross, [0.1] * 3)):
        assert [tick.get_text() for tick in axes.get_xticklabels()] == list(OWN)
        drawn = [line for line in axes.lines if line.get_marker() == "_"]
        heights = [float(line.get_ydata()[0]) for line in drawn]
        assert heights[::6] == pytest.approx(expected)
        marks = [line.get_label() for line in axes.lines if line.get_marker() in "s^D"]
        assert marks[:3] == ["owl", "wolf", "oak"] and len(marks) == 9
