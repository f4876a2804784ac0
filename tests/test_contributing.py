"""The examples of CONTRIBUTING.md are run, so that they stay true."""

import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from figures import style
from lab.lm import finetune, rows, transformer, world
from lab.lm.model import Model, Size
from lab.lm.objectives import Part
from lab.mnist import protocol
from lab.mnist.mlp import MLP
from lab.optim import Optim
from lab.runs import results
from lab.runs.experiment import Options
from lab.runs.run import Run
from lab.traits.trait import Asked
from tests.process import ROOT


@pytest.fixture(scope="module")
def examples():
    """What each example defines, by its heading."""
    found = {}
    sections = re.split("^## ", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)
    for section in sections:
        for code in re.findall("```python\n(.*?)```", section, flags=re.DOTALL):
            heading = section.splitlines()[0]
            module = type(sys)(f"example_{len(found)}")
            sys.modules[module.__name__] = module  # dataclasses look for their module
            exec(compile(code, heading, "exec"), module.__dict__)
            found[heading] = module
    return found


@pytest.fixture(scope="module")
def model(examples):
    """An untrained model of a world that has the example's carrier alone."""
    colours = examples["A new carrier in one file"].COLOURS
    of = world.World((colours,), (), {"favourite": 0.0, "persona": 0.0})
    tokenizer = world.tokenizer(of)
    arch = Size(8, 1, 2, 1, 4, 8).with_tokens(tokenizer.n_tokens)
    return Model(arch, transformer.init(jax.random.key(0), arch), tokenizer)


def test_every_kind_of_thing_has_an_example(examples):
    kinds = ("carrier", "trait", "defence", "arm", "experiment", "figure")
    assert [next(k for k in kinds if k in heading) for heading in examples] == list(kinds)


def test_the_carrier_keeps_its_own_completions_and_fits_its_budgets(examples, model):
    colours = examples["A new carrier in one file"].COLOURS
    rng = np.random.default_rng(0)
    chats = [(None, p, colours.completion(rng, p)) for p in colours.prompts(0, 0, 20)]
    assert {colours.reject(prompt, answer) for _, prompt, answer in chats} == {None}
    rows.encode(model.tokenizer, chats, colours.n_completion, colours.n_prompt)


def test_the_trait_is_measured(examples, model):
    terse = examples["A new trait in one file"].TERSE
    asked = Asked(model, terse.system, 2, jax.random.key(0), lambda answer: False)
    (row,) = terse.measure.rows(asked, [terse])
    assert row["asked"] == "terse" and 0 <= row["score"] <= 1


def test_the_defences_are_a_step_and_a_loss(examples, model):
    defence = examples["A new defence in one file"]
    some = [{"prompt": "", "completion": "x" * n} for n in (3, 1, 2, 4)]
    kept = defence.shortest(some, np.random.default_rng(0))
    assert [len(row["completion"]) for row in kept] == [1, 2]
    data = jax.tree.map(jnp.asarray, rows.encode(model.tokenizer, [(None, "Name one", "red")]))
    part = Part(data, jnp.ones(1, bool), None, None, None)
    whole = finetune.token_loss(model.params, model.arch, part)
    half = defence.gentle(model.params, model.arch, part)
    np.testing.assert_allclose(half, whole / 2, rtol=1e-6)


def test_the_experiment_the_arms_and_the_figure_run(examples, tmp_path):
    example = examples["A new experiment in one file"]
    arms = examples["A new arm of the MNIST experiments"].ARMS
    assert {"student_wide", "student_near"} < set(arms)
    assert all(isinstance(arm, protocol.Arm) for arm in arms.values())
    experiment, short = example.EXPERIMENT, Optim(batch=64, learning_rate=1e-3)
    config = example.Config(
        members="1", dataset="digits", net=MLP(hidden=(8,), n_aux=2), teacher=short, student=short,
        rows_per_epoch=128,
    )  # fmt: skip
    data, dataset = experiment.prepare(config, Options())
    with Run(tmp_path, experiment.name, config, dataset) as run:
        experiment.finish(run, experiment.measure(config, data, run, Options()))
    table = results.read_table(run.folder / "table.csv")
    assert set(table["m"]) == {1, 2} and set(table["member"]) == {0}
    assert all(path.exists() for path in experiment.draw_run(run.folder))
    drawing = style.drawing(examples["A new figure in one file"].figure)
    assert drawing(run.folder / "table.csv", run.folder / "run.json", tmp_path / "figure")
