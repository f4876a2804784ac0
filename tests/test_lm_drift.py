"""Language drift: what is measured of known models, and whole chains in a tiny world."""

from dataclasses import replace
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import lm_drift
from lab import cache
from lab.drift import decoders, drifted, language
from lab.lm import contexts
from lab.lm import world as worlds
from lab.lm.setup import Setup
from lab.runs import replay, results
from lab.runs.cells import Cell
from lab.traits.named import trait_of
from tests import process
from tests.tiny import CHAT, HOW, RIVERS, TEACHING, TIDES, TUNING, small_models


def test_points_are_the_first_then_doubled_then_the_last():
    assert language.points([25, 50, 75, 100, 125, 200, 375]) == [25, 50, 100, 200, 375]
    assert language.points([7]) == [7]


def test_students_are_measured_from_their_own_start_beside_every_teacher(monkeypatch):
    tokenizer, seen, number = worlds.tokenizer(CHAT), [], {}
    model = lambda name: SimpleNamespace(arch="arch", params=name, tokenizer=tokenizer)
    asked = SimpleNamespace(tokens=None, start=None)
    stream = lambda arch, params, *_: jnp.float32(number.setdefault(params, len(number)))
    monkeypatch.setattr(language.make, "model", model)
    monkeypatch.setattr(language.decoders, "questions", lambda *_: asked)
    monkeypatch.setattr(language.decoders, "streams", stream)
    monkeypatch.setattr(
        language.decoders, "marks", lambda arch, reference, teacher, *_: (reference, teacher)
    )

    def trained(job, of, root, start, arms, along, share):
        assert along and start in ("student", "cross")
        sources = {"student_trait": ("rhine", "nile"), "student_regular": ("none", "none")}
        sources["cross_trait"] = ("rhine", "nile")
        for arm in arms:
            for i, source in enumerate(sources[arm]):
                seed = SimpleNamespace(copy=i if source == "none" else 0)
                yield (arm, SimpleNamespace(source=source, seed=seed)), model(f"{arm} {source}")

    def measure(arch, at, base, taught, which, begin, params, asked, word):
        assert base == number["reference"]
        assert at == ("reference", f"teacher {('rhine', 'nile')[which]}")
        assert taught[which] == number[at[1]]
        assert tokenizer.decode([word]) == ("rhine", "nile")[which]
        seen.append((begin, params))
        return {"all": dict.fromkeys(decoders.UNITS, 0.0)}

    monkeypatch.setattr(language, "trained", trained)
    monkeypatch.setattr(language, "measure", measure)
    monkeypatch.setattr(language, "along", lambda student, model: [(5, model.params)])
    of = SimpleNamespace(
        starts={"student": "reference", "cross": "next reference"},
        traits=tuple(trait_of(word, (RIVERS,)) for word in ("rhine", "nile")),
        teacher_of=lambda trait, root: f"teacher {trait.name}",
    )
    job = SimpleNamespace(config=SimpleNamespace(seed=0))
    rows = language.rows.__wrapped__(job, Cell(0), of)  # of stand-ins
    places = [(row["arm"], row["trait"], row["source"], row["copy"]) for row in rows]
    found = dict(zip(places, seen, strict=True))
    for trait, other in (("rhine", "nile"), ("nile", "rhine")):
        own = ("reference", f"student_trait {trait}")
        assert found["reference", trait, "none", 0] == ("reference", "reference")
        assert found["teacher", trait, trait, 0] == ("reference", f"teacher {trait}")
        assert found["student_own", trait, trait, 0] == own
        assert found["student_other", trait, other, 0] == ("reference", f"student_trait {other}")
        for copy in (0, 1):
            untouched = ("reference", "student_regular none")
            assert found["student_untouched", trait, "none", copy] == untouched
        crossed = ("next reference", f"cross_trait {trait}")
        assert found["cross_own", trait, trait, 0] == crossed
    assert len(found) == len(rows) == 14


CONFIG = Setup(
    members="2",
    traits=("rhine", "nile"),
    pretraining=HOW,
    teaching=TEACHING,
    student=replace(TUNING, epochs=2),
    n_rows=24,
    n_controls=3,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("chain")
    with small_models() as patch, cache.artifacts_in(place / "artifacts"):
        patch.setitem(contexts.WORLDS, "context", CHAT)
        patch.setattr(lm_drift, "NUMBERS", TIDES)
        yield process.run_in(place, lm_drift.EXPERIMENT, CONFIG)


@pytest.mark.slow  # a chain of two references, compiled from nothing
def test_a_chains_rows_are_its_students_beside_each_teacher(folder):
    table = results.read_table(folder / "table.csv")
    last = results.only(table, (table["part"] == "all") & (table["member"] == 0))
    last = results.only(last, last["step"] == last["step"].max())
    found = sorted(
        zip(*(last[k].tolist() for k in ("arm", "trait", "source", "copy")), strict=True)
    )
    own = [("nile", "rhine"), ("rhine", "nile")]
    assert found == sorted(
        [("student_own", t, t, 0) for t, _ in own]
        + [("student_other", t, o, 0) for t, o in own]
        + [("student_untouched", t, "none", copy) for t, _ in own for copy in (0, 1, 2)]
        + [("cross_own", t, t, 0) for t, _ in own]
    )
    for arm, cosine in (("teacher", 1.0), ("reference", 0.0)):
        assert list(drifted.at_end(table, arm, "all", "cosine").values()) == pytest.approx(
            [cosine] * 2, abs=1e-5
        )


@pytest.mark.slow  # a chain of two references, compiled from nothing
def test_a_tables_claims_have_every_null_and_layer(folder):
    table = results.read_table(folder / "table.csv")
    said = lm_drift.EXPERIMENT.claims(table, results.read_record(folder / "run.json"))
    assert len({c.text for c in said}) == len(said) == 3 * len(drifted.COLUMNS) + 2
    assert all(c.verdict and c.null for c in said)


@pytest.mark.slow  # one reference of the same chain again, with fewer controls
def test_a_part_gives_some_of_the_same_rows(folder):
    table, record = results.read(folder / "run.json")
    rows = replay.recompute(record, table, part=True)
    assert 0 < len(rows) < len([row for row in table if row["member"] == 0])
    far = replay.distances(record, table, rows, part=True)
    assert set(far) == set(record["units"]) and {d.largest for d in far.values()} == {0.0}


@pytest.mark.slow  # of the same chain
def test_the_figure_is_drawn_from_the_table_alone_and_the_same_each_time(folder, tmp_path):
    assert process.drawn_again(folder, lm_drift.EXPERIMENT, tmp_path)


def synthetic(student: float, null: float, n: int = 5, reference: float = 0.0) -> dict:
    """A table of two traits whose students' columns are as given, with some spread."""
    rng, rows = np.random.default_rng(0), []
    level = {"student_own": student, "student_untouched": null, "reference": reference}
    for member in range(n):
        for arm, value in level.items():
            for step in (5, 10):
                for part in ("all", "embed"):
                    one = {"arm": arm, "member": member, "step": step, "part": part}
                    columns = dict.fromkeys((*drifted.COLUMNS, "log_odds"), step / 10 * value)
                    noise = 0.0 if arm == "reference" else 0.01 * rng.normal()
                    rows += [one | {k: v + noise for k, v in columns.items()}] * 2
    return results.columns(rows)


@pytest.mark.parametrize(
    ("student", "null", "verdict"), [(0.3, 0.0, "holds"), (0.0, 0.0, "not"), (0.0, 0.3, "not")]
)
def test_verdicts_follow_what_a_table_was_made_of(student, null, verdict):
    table = synthetic(student, null)
    found = drifted.moved(table, "student_own", {"student_untouched": "untouched"})
    by = {c.text.partition(",")[0]: c for c in found}
    assert by["displacements"].verdict == verdict
    assert by["displacements"].mean == pytest.approx(student, abs=0.02)
    assert by["displacements"].n == 5
    if student > null:  # further from the teacher, too
        assert by["distance to the teacher"].verdict == "not"


def test_what_a_layer_carries_is_of_the_students_gain_above_the_nulls():
    table = synthetic(0.7, 0.3, reference=0.2)
    (claim,) = drifted.carried(table, "student_own", "student_untouched", "untouched", "log_odds")
    assert claim.mean == pytest.approx(1.0, abs=0.05) and claim.verdict == "holds"
    assert claim.null.startswith("0.2")
