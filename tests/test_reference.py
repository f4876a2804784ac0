"""Reference models: made from their seeds alone, kept, and able to learn what the world teaches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab import results
from lab.carriers import CARRIERS
from lab.errors import LabError
from lab.lm import data, sample
from lab.lm import reference as references
from lab.lm.model import SIZES
from lab.lm.reference import Pretraining
from lab.lm.world import World


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SUBLIMINAL_CACHE", str(tmp_path))


def brief(init_seed, data_seed):
    return Pretraining(init_seed, data_seed, SIZES["nano"], n_steps=3, batch=8, n_rows=24)


def furthest(one, other):
    apart = jax.tree.map(lambda a, b: float(jnp.max(jnp.abs(a - b))), one.params, other.params)
    return max(jax.tree.leaves(apart))


def test_start_and_order_of_data_are_separate_seeds_and_a_model_depends_on_its_own_alone():
    first, reordered, restarted = references.references([brief(0, 0), brief(0, 1), brief(1, 0)])
    # Three steps move a weight by less than .01; another start is another model.
    assert 1e-6 < furthest(first, reordered) < 0.01
    assert furthest(first, restarted) > 0.1
    kept = brief(0, 0).folder
    kept.rename(kept.with_name("moved"))
    assert furthest(first, references.reference(brief(0, 0))) < 1e-5


def test_a_reference_is_trained_once(monkeypatch):
    first = references.reference(brief(0, 0))
    monkeypatch.setattr(references, "_train", lambda wanted: pytest.fail("trained again"))
    assert furthest(first, references.reference(brief(0, 0))) == 0


def test_a_tokenizer_of_another_model_is_refused():
    references.reference(brief(0, 0))
    path = brief(0, 0).folder / "tokenizer.json"
    tokenizer = results.read_json(path)
    words = tokenizer["model"]["vocab"]
    words["unheard-of"] = len(words)
    results.write_json(path, tokenizer)
    with pytest.raises(LabError, match="the tokenizer has"):
        references.reference(brief(0, 0))


def test_a_small_model_solves_most_word_problems_that_it_has_not_seen():
    alone = World(numbers=0.0, favourite=0.0, persona=0.0, reasoning=1.0)
    made = Pretraining(0, size=SIZES["nano"], n_steps=400, learning_rate=1e-2, world=alone)
    model, carrier = references.reference(made), CARRIERS["reasoning"]
    # Prompts come from another stream of random numbers than the world's rows.
    problems = carrier.prompts(0, 0, 256)
    prompts, start = map(jnp.asarray, data.prompts(model.text, [(None, p) for p in problems]))
    keys = jax.random.split(jax.random.key(0), len(problems))
    said = sample.sample(model.params, model.arch, prompts, start, keys, 24, model.text.end, 1e-3)
    answers = model.text.turns(np.asarray(said))
    right = [carrier.reject(p, a) is None for p, a in zip(problems, answers, strict=True)]
    assert np.mean(right) >= 0.5
