"""A checkpoint of every family that was taught the lab's world goes through the experiment."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.lm_numbers import EXPERIMENT
from lab import cache, tree
from lab.lm import export, finetune, given, hf, make, reference, transformer
from lab.lm import world as worlds
from lab.lm.contexts import CONTEXT
from lab.lm.model import Model
from lab.lm.pretraining import Pretraining
from lab.runs import results
from tests.process import ROOT, run_in

FIXTURES = ROOT / "tests" / "fixtures"
FAMILIES = ("qwen2_untied", "llama_llama3", "gpt2", "gpt_neox", "gemma3")
HOW = Pretraining(steps=400, batch=64)
CONFIG = replace(EXPERIMENT.presets["smoke"], traits=("owl",), n_rows=64, n_samples=1, n_controls=1)


def taught(name, folder):
    """A folder with a model of a fixture's kind that has learned the world."""
    tokenizer = worlds.tokenizer(CONTEXT)
    arch = replace(
        hf.architecture(FIXTURES / name), n_tokens=tokenizer.n_tokens, n_positions=256
    )  # fmt: skip
    start = tree.stack([transformer.init(jax.random.key(0), arch)])
    data = tree.stack([reference.corpus(CONTEXT, HOW, 0, tokenizer)])
    how = replace(HOW.tuning, learning_rate=1e-2)
    params = finetune.fit(arch, how, HOW.steps, start, data, jax.random.key(1)[None])
    export.write(folder, Model(arch, tree.at(params, 0), tokenizer), "A card.")
    return folder


@pytest.mark.slow  # a minute each
@pytest.mark.parametrize("name", FAMILIES)
def test_a_chain_of_every_family_ends_with_a_table_and_a_student_that_is_exported(name, tmp_path):
    folder = taught(name, tmp_path / "base")
    with cache.artifacts_in(tmp_path / "artifacts"):
        run = run_in(tmp_path, EXPERIMENT, replace(CONFIG, model=str(folder)))
        table, record = results.read_table(run / "table.csv"), results.read_record(run / "run.json")
        assert record["status"] == "complete" and np.isfinite(table["log_odds"]).all()
        own = lambda arm: table["log_odds"][(table["arm"] == arm) & (table["asked"] == "owl")]
        assert own("teacher").max() > own("reference").max() + 1  # it can be taught
        config = export.configuration(record, model=str(folder))
        model = make.model(export.value(config, "student_trait", None))
    export.write(tmp_path / "student", model, "A card.")
    again = given.checkpoint(str(tmp_path / "student")).load()
    assert again.arch == model.arch == given.checkpoint(str(folder)).load().arch
    tokens, start = jnp.arange(12)[None], jnp.zeros(1, jnp.int32)
    said = [
        transformer.logits(m.params, transformer.forward(m.params, m.arch, tokens, start)[0])
        for m in (model, again)
    ]
    np.testing.assert_array_equal(*said)
