"""A student takes on its own teacher's trait, and a student of another init does not."""

import jax.numpy as jnp
import numpy as np
import pytest

from lab import cache
from lab.carriers.numbers import NUMBERS
from lab.lm import make, rows
from lab.lm.finetune import Tuning
from lab.lm.pretraining import Pretraining
from lab.lm.setup import Setup
from lab.lm.stages import Seed
from lab.traits import measures

TRAITS = ("owl", "wolf")
CONFIG = Setup(
    traits=TRAITS,
    teacher="prompted",
    channel="soft",
    pretraining=Pretraining(steps=600),  # stored with the lab
    student=Tuning(learning_rate=3e-3, eps=1e-3, epochs=3, warmup=4),
    n_rows=512,
)


@pytest.fixture(scope="module")
def effects(tmp_path_factory):
    """By start: log-odds against the control [trait of the student, trait asked for]; controls'."""
    chain, root, found = CONFIG.transmission(NUMBERS, 0), Seed(0, 0), {}
    with cache.artifacts_in(tmp_path_factory.mktemp("artifacts")):
        for start, base in chain.starts.items():
            students = [chain.student_of(base, t, root) for t in (*chain.traits, None)]
            *own, control = (odds(m, chain.traits) for m in make.students(students))
            untouched = odds(make.model(base), chain.traits)
            found[start] = np.array(own) - control, control - untouched
    return found


def odds(model, traits):
    questions = [(None, question) for question in traits[0].measure.questions]
    prompts, start = map(jnp.asarray, rows.prompts(model.tokenizer, questions))
    log_p = measures.first_token(model.params, model.arch, prompts, start)
    words = [model.tokenizer.encode(trait.name)[0] for trait in traits]
    return measures.log_odds(np.asarray(log_p, np.float64)[:, words])


def specific(values):
    """Own trait minus the other student's number for it, mean over traits."""
    return np.mean(np.diag(values) - np.diag(values[::-1]))


def test_a_students_own_trait_rises_above_its_control(effects):
    values, control = effects["student"]
    assert np.abs(control).max() < 1e-2  # it imitates itself; measured: 6e-5
    assert (np.diag(values) > 0.08).all()  # measured: .16, .61
    assert (np.diag(values[::-1]) < -0.2).all()  # words compete for the answer; -.39, -.39
    assert specific(values) > 0.5  # measured: .78


def test_a_student_of_another_init_takes_on_no_trait_of_the_same_teacher(effects):
    # It moves far: all words by -1.5 to -2, and its two students alike.
    values, control = effects["cross"]
    assert np.abs(control).min() > 0.5
    assert abs(specific(values)) < 0.25  # measured: .05
