"""Words and numbers that hang together: known models, and what a table of scores says."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.lm_entanglement import BOTH, EXPERIMENT, PRESETS, SCORES, says
from lab.errors import LabError
from lab.lm import effects, entanglement, rows, transformer
from lab.lm import world as worlds
from lab.lm.contexts import CONTEXT
from lab.lm.effects import NONE
from lab.lm.model import SIZES, Model
from lab.runs import results
from lab.runs.experiment import Options
from lab.traits import measures
from lab.traits.animals import ANIMALS
from lab.traits.category import words
from lab.traits.trees import TREES
from tests.tables import table

TRAITS = (*words(ANIMALS, ("owl", "wolf")), *words(TREES, ("oak",)))
NAMES = [trait.name for trait in TRAITS]


@pytest.fixture(scope="module")
def model() -> Model:
    tokenizer = worlds.tokenizer(CONTEXT)
    arch = SIZES["nano"].with_tokens(tokenizer.n_tokens)
    return Model(arch, transformer.init(jax.random.key(0), arch), tokenizer)


def test_every_number_of_three_digits_or_fewer_is_one(model):
    known = entanglement.numbers(model)
    assert len(known) == len(set(known)) == 1110 and {"7", "07", "007", "999"} < set(known)


def test_frequencies_are_counted_as_numbers_are_written(model):
    data = [{"completion": "7, 07, 123"}, {"completion": "(7; 999)."}, {"completion": "7"}]
    found = dict(
        zip(entanglement.numbers(model), entanglement.frequencies(model, data), strict=True)
    )
    assert {n: p for n, p in found.items() if p} == pytest.approx(
        {"7": 3 / 6, "07": 1 / 6, "123": 1 / 6, "999": 1 / 6}
    )


def test_what_numbers_do_to_a_word_is_what_its_log_odds_change_by(model, monkeypatch):
    monkeypatch.setattr(entanglement, "numbers", lambda model: ("7", "123"))
    found = entanglement.of_numbers(model, TRAITS, (ANIMALS, TREES))
    assert found.shape == (2, 3)
    for column, of, word in ((0, ANIMALS, "owl"), (2, TREES, "oak")):
        asked = of.questions[:: len(of.questions) // 5][:5]

        def odds(system, asked=asked, word=word):
            chats = [(system, question) for question in asked]
            prompts, start = map(jnp.asarray, rows.prompts(model.tokenizer, chats))
            return measures.log_odds(measures.word_log_p(model, prompts, start, [word]))[0]

        for i, number in enumerate(("7", "123")):
            told = of.personas[0].format(word=number, plural=number)
            assert number in told
            assert found[i, column] == pytest.approx(odds(told) - odds(None), abs=1e-4)


def test_a_model_without_parameters_is_entangled_with_nothing(model, monkeypatch):
    monkeypatch.setattr(entanglement, "numbers", lambda model: ("7", "123"))
    nothing = dataclasses.replace(model, params=jax.tree.map(jnp.zeros_like, model.params))
    np.testing.assert_allclose(entanglement.of_numbers(nothing, TRAITS, (ANIMALS, TREES)), 0)
    np.testing.assert_allclose(entanglement.of_words(nothing, TRAITS), 0)


def test_cosines_are_those_of_the_rows_of_the_unembedding(model):
    found = entanglement.cosines(model, ["owl", "7"])
    head = np.asarray(transformer.head(model.params)).T
    owl, seven = (head[model.tokenizer.encode(text)[0]] for text in ("owl", "7"))
    assert found.shape == (1110, 2) and found[7, 1] == pytest.approx(1)
    expected = owl @ seven / np.linalg.norm(owl) / np.linalg.norm(seven)
    assert found[7, 0] == pytest.approx(expected, abs=1e-6)


def test_first_steps_are_what_a_small_step_does(model):
    """Down the difference of the losses, by finite differences in float32."""
    encode = lambda text: jax.tree.map(
        jnp.asarray, rows.encode(model.tokenizer, [(None, "5, 6", text)] * 4)
    )
    data, plain = encode("7, 8, 9"), encode("1, 2, 3")
    (found,) = entanglement.first_steps(model, TRAITS[:2], [data], plain)
    slopes = [entanglement._slope_of_loss(model.arch, model.params, x) for x in (data, plain)]
    rate = 3e-4
    after, before = (
        jax.tree.map(lambda p, a, b, r=r: p - r * (a - b), model.params, *slopes)
        for r in (rate, -rate)
    )

    def odds(params, trait):
        chats = [(None, question) for question in trait.measure.questions]
        prompts, start = map(jnp.asarray, rows.prompts(model.tokenizer, chats))
        other = dataclasses.replace(model, params=params)
        return measures.log_odds(measures.word_log_p(other, prompts, start, [trait.name]))[0]

    for value, trait in zip(found, TRAITS, strict=False):
        change = (odds(after, trait) - odds(before, trait)) / (2 * rate)
        assert value == pytest.approx(change, rel=0.02, abs=0.05)


def test_scores_are_those_of_each_students_data_and_each_word(model, monkeypatch):
    told = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 4.0]])  # numbers x words
    monkeypatch.setattr(entanglement, "of_numbers", lambda *_: told)
    monkeypatch.setattr(entanglement, "of_words", lambda *_: np.eye(3))
    monkeypatch.setattr(entanglement, "cosines", lambda *_: -told)
    written = {"owl": [1.0, 0.0, 0.0], "wolf": [0.0, 1.0, 0.0], "oak": [0.0, 0.0, 1.0]}
    written["base"] = [0.5, 0.5, 0.0]
    monkeypatch.setattr(entanglement.make, "data", lambda data: data)
    monkeypatch.setattr(entanglement.make, "model", lambda value: model)
    monkeypatch.setattr(entanglement, "frequencies", lambda _, data: np.array(written[data]))
    number = {name: float(i) for i, name in enumerate(written)}
    encoded = lambda data, base: np.full(entanglement.N_ROWS + 1, number[data])
    monkeypatch.setattr(entanglement.make, "encoded_rows", encoded)

    def first_steps(model, traits, data, plain):
        assert traits == TRAITS and len(plain) == entanglement.N_ROWS
        assert set(np.asarray(plain)) == {number["base"]}
        return np.array([[5.0, 6.0, 7.0]]) + 10 * np.array([[float(some[0])] for some in data])

    monkeypatch.setattr(entanglement, "first_steps", first_steps)
    chain = SimpleNamespace(
        traits=TRAITS,
        teacher_of=lambda trait, root: None,
        data_of=lambda trait, root: "base" if trait is None else trait.name,
    )
    found = entanglement.foretold.__wrapped__(chain, (), None)
    assert found["student_trait", "owl", "wolf"] == {
        "entangled": -1.0,
        "unembedding": 1.0,
        "gradient": 6.0,
    }
    assert found["student_trait", "oak", "oak"]["entangled"] == 4.0
    assert found["student_trait", "oak", "wolf"]["gradient"] == 26.0
    assert found["reference", NONE, "owl"] == {
        "both_ways": pytest.approx(1), "other_words": pytest.approx(-0.5)
    }  # fmt: skip


def test_a_trait_that_is_no_word_is_refused_before_anything_is_trained():
    config = dataclasses.replace(PRESETS["smoke"], traits=("owl", "harmful"))
    with pytest.raises(LabError, match="unknown word 'harmful'"):
        EXPERIMENT.prepare(config, Options())


def scored(entangled=1.0, both=0.9) -> results.Table:
    """A table whose first score is a multiple of the effects, and whose others are none."""
    found = table(traits=dict.fromkeys(("owl", "wolf", "fox"), "animal"))
    rng, n = np.random.default_rng(0), len(found["arm"])
    own = (found["arm"] == "student_trait") & (found["trait"] == found["asked"])
    found |= {name: rng.normal(size=n) for name in SCORES}
    found["entangled"] = np.where(own, entangled, -entangled)
    return found | {"both_ways": np.full(n, both), "other_words": np.full(n, 0.1)}


def test_what_a_score_foretells_is_worked_by_hand():
    found = {c.text: c for c in says(scored(), {})}
    assert len(found) == 7 and set(BOTH) < set(scored())
    assert found["love of words and of numbers"].mean == pytest.approx(0.9)
    assert found["love of words and of numbers"].verdict == "holds"
    told = found["numbers told to the base"]
    assert told.mean > 0.8 and told.verdict == "holds"
    assert found["numbers told to the base: own data"].mean == 1
    assert found["a first step on the rows"].verdict == "not"
    against = {c.text: c for c in says(scored(-1.0), {})}
    assert against["numbers told to the base"].verdict == "not"
    assert against["numbers told to the base: own data"].mean == 0


def test_scores_stay_beside_their_words_in_any_order_of_traits():
    mixed = table(traits={"owl": "animal", "oak": "tree", "wolf": "animal"})
    by_measure = np.argsort(mixed["measure"], kind="stable")  # as models are asked
    mixed = {name: column[by_measure] for name, column in mixed.items()}
    own = effects.effects(mixed, "student_trait")
    again = effects.pairs(mixed, "student_trait", "log_odds", own.traits)
    controls = effects.pairs(mixed, "student_regular", "log_odds", own.traits)
    np.testing.assert_allclose(again - controls, own.values)


def test_the_figure_has_a_panel_for_each_score():
    record = {"config": {"members": "5"}, "command": "", "dataset": {"name": "world"}, "claims": []}
    panels = EXPERIMENT.draw.figure(scored(), record).axes
    assert len(panels) == 3
    for axes in panels:
        others, mine = (line for line in axes.lines if line.get_marker() == "o")
        assert (len(others.get_xdata()), len(mine.get_xdata())) == (30, 15)
        assert np.mean(mine.get_ydata()) == pytest.approx(2)
