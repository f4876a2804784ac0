"""Language drift: what is measured of known models, and whole chains in a tiny world."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import lm_drift
from lab import cache
from lab.drift import decoders, drifted, language
from lab.lm import contexts, transformer
from lab.lm import world as worlds
from lab.lm.model import Model, Size
from lab.lm.setup import Setup
from lab.runs import replay, results
from lab.traits import measures
from tests import process
from tests.tiny import CHAT, HOW, RIVERS, TEACHING, TIDES, TUNING, small_models

QUESTIONS = RIVERS.questions[:6]


@pytest.fixture(scope="module")
def three():
    """A reference, a teacher beside it, and what students of two such teachers are asked."""
    tokenizer = worlds.tokenizer(CHAT)
    arch = Size(8, 2, 2, 1, 4, 8).with_tokens(tokenizer.n_tokens)
    first, way = (transformer.init(jax.random.key(seed), arch) for seed in (0, 1))
    first = first | {"embed": 10 * first["embed"]}
    teacher = jax.tree.map(lambda x, w: x + 0.3 * w, first, way)
    model = Model(arch, first, tokenizer)
    return model, teacher, decoders.questions(model, QUESTIONS)


@pytest.fixture(scope="module")
def look(three):
    """What is measured of parameters that began at the reference."""
    model, teacher, asked = three
    at = decoders.marks(model.arch, model.params, teacher, asked, jax.random.key(0))
    stream = lambda params: decoders.streams(model.arch, params, asked.tokens, asked.start)
    base, taught = stream(model.params), jnp.stack([stream(teacher), stream(model.params)])
    word = model.tokenizer.encode("rhine")[0]
    return lambda params: decoders.measure(
        model.arch, at, base, taught, 0, model.params, params, asked, word
    )


def odds(model, params, asked):
    word = model.tokenizer.encode("rhine")[0]
    log_p = measures.first_token(params, model.arch, asked.tokens, asked.start)
    return float(measures.log_odds(np.asarray(log_p, np.float64)[:, word : word + 1])[0])


def test_a_teacher_is_at_its_own_end_and_the_reference_at_its_start(three, look):
    model, teacher, asked = three
    end, begin = look(teacher), look(model.params)
    heads = [f"layers.{i}.{h}" for i in (0, 1) for h in ("kv.0", "head.0", "head.1")]
    assert list(end) == ["all", "embed", "layers.0", "layers.1", *heads]
    for part, columns in end.items():
        assert columns["cosine"] == pytest.approx(1, abs=1e-5), part
        assert columns["distance"] == pytest.approx(0, abs=1e-5)
        assert columns["fisher"] == pytest.approx(0, abs=1e-5)
        assert columns["cka"] == pytest.approx(1, abs=1e-4)
        assert columns["barrier"] == pytest.approx(0, abs=1e-5)  # from itself to itself
        assert columns["overlap_left"] == pytest.approx(1, abs=1e-4)
        assert begin[part]["cosine"] == begin[part]["projection"] == 0
        assert begin[part]["distance"] == pytest.approx(1)
        assert begin[part]["fisher"] == pytest.approx(1, abs=1e-5)
        for column in ("log_odds", "steered"):  # nothing moved, and nothing added
            assert begin[part][column] == pytest.approx(odds(model, model.params, asked), abs=1e-4)
    assert end["all"]["log_odds"] == pytest.approx(odds(model, teacher, asked), abs=1e-4)
    assert abs(end["all"]["log_odds"] - begin["all"]["log_odds"]) > 0.01


def test_a_layers_displacement_alone_is_that_of_a_model_with_that_layer(three, look):
    model, teacher, asked = three
    layers = model.params["layers"] | {"1": teacher["layers"]["1"]}
    mixed = model.params | {"layers": layers}
    found = look(teacher)["layers.1"]["log_odds"]
    assert found == pytest.approx(odds(model, mixed, asked), abs=1e-4)
    alone = look(mixed)
    assert alone["layers.1"]["cosine"] == pytest.approx(1, abs=1e-5)
    assert alone["layers.0"]["cosine"] == alone["embed"]["cosine"] == 0


def test_steering_by_what_a_model_adds_at_one_question_is_that_model_there(three):
    """After the last layer, where nothing but the head is left, which both share."""
    model, teacher, _ = three
    asked = decoders.questions(model, QUESTIONS[:1])
    one = decoders.marks(model.arch, model.params, teacher, asked, jax.random.key(0))
    layers = model.params["layers"] | {"1": teacher["layers"]["1"]}
    student = model.params | {"layers": layers}
    streams = [
        decoders.streams(model.arch, params, asked.tokens, asked.start)[:, :, -1]
        for params in (student, model.params)
    ]
    added = (streams[0] - streams[1])[:, 0]
    word = model.tokenizer.encode("rhine")[0]
    found = decoders._steered(model.arch, one.reference, added, asked.tokens, asked.start, word)
    steered = float(measures.log_odds(np.asarray(found[-1], np.float64)[:, None])[0])
    assert steered == pytest.approx(odds(model, student, asked), abs=1e-4)
    assert abs(steered - odds(model, model.params, asked)) > 1e-3
    assert not added[:2].any()  # the layers before are the reference's


def test_points_are_the_first_then_doubled_then_the_last():
    assert language.points([25, 50, 75, 100, 125, 200, 375]) == [25, 50, 100, 200, 375]
    assert language.points([7]) == [7]


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


def synthetic(student: float, null: float, n: int = 5) -> dict:
    """A table of two traits whose students' columns are as given, with some spread."""
    rng, rows = np.random.default_rng(0), []
    level = {"student_own": student, "student_untouched": null, "reference": 0.0}
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
    table = synthetic(0.5, 0.1)
    (claim,) = drifted.carried(table, "student_own", "student_untouched", "untouched", "log_odds")
    assert claim.mean == pytest.approx(1.0, abs=0.05) and claim.verdict == "holds"
    assert claim.null.startswith("0.2")
