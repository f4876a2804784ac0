"""What is measured of a language model beside a teacher, against a plain computation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.drift import activations, decoders, landscape
from lab.lm import layers, transformer
from lab.lm import world as worlds
from lab.lm.model import Model, Size
from lab.traits import measures
from tests.tiny import CHAT, RIVERS

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


def layer_1_of(one, other):
    """The first model with one layer of the other."""
    return one | {"layers": one["layers"] | {"1": other["layers"]["1"]}}


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
    mixed = layer_1_of(model.params, teacher)
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
    student = layer_1_of(model.params, teacher)
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


@pytest.fixture(scope="module")
def strayed(three):
    """A student, and where it began: at no reference of the teacher."""
    model, teacher, _ = three
    start = jax.tree.map(lambda x, y: 0.6 * x + 0.4 * y, model.params, teacher)
    way = transformer.init(jax.random.key(2), model.arch)
    return start, jax.tree.map(lambda x, w: x + 0.4 * w, start, way)


@pytest.fixture(scope="module")
def measured(three, strayed):
    """The student's columns by part, beside the teacher as the second of two."""
    (model, teacher, asked), (start, student) = three, strayed
    at = decoders.marks(model.arch, model.params, teacher, asked, jax.random.key(0))
    stream = lambda params: decoders.streams(model.arch, params, asked.tokens, asked.start)
    taught = jnp.stack([stream(other_of(model)), stream(teacher)])
    word = model.tokenizer.encode("rhine")[0]
    return decoders.measure(
        model.arch, at, stream(model.params), taught, 1, start, student, asked, word
    )


def other_of(model):
    """Another teacher of the same reference."""
    way = transformer.init(jax.random.key(3), model.arch)
    return jax.tree.map(lambda x, w: x + 0.3 * w, model.params, way)


def test_a_part_alone_is_put_into_the_students_own_start(three, strayed, measured):
    (model, _, asked), (start, student) = three, strayed
    for part, params in (("all", student), ("layers.1", layer_1_of(start, student))):
        assert measured[part]["log_odds"] == pytest.approx(odds(model, params, asked), abs=1e-4)
    with_reference = odds(model, layer_1_of(model.params, student), asked)
    assert abs(measured["layers.1"]["log_odds"] - with_reference) > 0.01


def test_steering_adds_what_the_student_adds_to_its_own_start(three, strayed, measured):
    (model, _, asked), (start, student) = three, strayed
    ends = [
        decoders.streams(model.arch, params, asked.tokens, asked.start)[-1][:, -1]
        for params in (student, start, model.params)
    ]
    moved = ends[2] + jnp.mean(ends[0] - ends[1], axis=0, keepdims=True)
    log_p = jax.nn.log_softmax(
        transformer.logits(model.params, layers.norm(model.params, "norm", model.arch, moved))
    )
    word = model.tokenizer.encode("rhine")[0]
    by_hand = float(measures.log_odds(np.asarray(log_p, np.float64)[:, word : word + 1])[0])
    assert measured["layers.1"]["steered"] == pytest.approx(by_hand, abs=1e-4)


def test_a_probe_learns_teachers_at_even_questions_and_is_asked_at_odd_ones(
    three, strayed, measured
):
    (model, teacher, asked), (start, student) = three, strayed
    last = lambda params: np.asarray(
        decoders.streams(model.arch, params, asked.tokens, asked.start)[:, :, -1]
    )
    base = last(model.params)
    taught = [last(params) - base for params in (other_of(model), teacher)]
    moved = last(student) - last(start)
    for i, part in enumerate(("embed", "layers.0", "layers.1")):
        known = jnp.concatenate([jnp.asarray(one[i, 0::2]) for one in taught])
        labels = jnp.repeat(jnp.arange(2), len(QUESTIONS[0::2]))
        scores = activations.probe(known, labels, 2, jnp.asarray(moved[i, 1::2]))
        right = float(jnp.mean(jnp.argmax(scores, axis=1) == 1))
        assert measured[part]["probe"] == pytest.approx(right, abs=1e-6), part


def test_fisher_is_the_teachers_and_the_barrier_is_of_the_loss_to_the_teachers_part(
    three, strayed, measured
):
    (model, teacher, asked), (_, student) = three, strayed
    weights = decoders._fisher(model.arch, teacher, asked.tokens, asked.start, jax.random.key(0))
    way = lambda params: jax.tree.map(jnp.subtract, params, teacher)
    left, whole = (landscape.fisher_norm(weights, way(p)) for p in (student, model.params))
    assert measured["all"]["fisher"] == pytest.approx(float(left / whole), rel=1e-4)
    word, end = model.tokenizer.encode("rhine")[0], layer_1_of(student, teacher)

    def loss(part):
        mixed = jax.tree.map(lambda x, y: (1 - part) * x + part * y, student, end)
        said = measures.first_token(mixed, model.arch, asked.tokens, asked.start)
        return -float(np.mean(np.asarray(said)[:, word]))

    values = np.array([loss(part) for part in np.linspace(0, 1, 5)])
    chord = np.linspace(values[0], values[-1], 5)
    by_hand = max((values - chord)[1:-1])
    assert measured["layers.1"]["barrier"] == pytest.approx(by_hand, abs=1e-4)
    assert abs(by_hand) > 1e-3
