"""Fine-tuning learns completions, each member by itself; soft students see the carrier alone."""

import dataclasses
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.errors import LabError
from lab.lm import finetune, transformer
from lab.lm.model import Architecture
from lab.lm.finetune import Imitated, Recipe, Rows
from tests.process import ROOT

ARCH = Architecture(
    n_tokens=31, d_model=16, n_layers=1, n_heads=2, n_kv_heads=1, d_head=8, d_hidden=24
)
RECIPE = Recipe(n_steps=40, batch=16, learning_rate=1e-2, warmup=2)
N, P, C = 64, 5, 4
stack = lambda trees: jax.tree.map(lambda *x: jnp.stack(x), *trees)
take = lambda tree, i: jax.tree.map(lambda x: x[i], tree)


def data(seed):
    """Rows whose completion repeats the last token of the prompt, then ends."""
    rng = np.random.default_rng(seed)
    prompts = rng.integers(2, 31, (N, P)).astype(np.int32)
    last = prompts[:, -1:]
    completions = np.concatenate([last, last, np.ones((N, 1)), np.zeros((N, 1))], axis=1)
    rows = Rows(prompts, np.zeros(N, np.int32), completions.astype(np.int32), np.full(N, 3))
    return jax.tree.map(jnp.asarray, rows)


@pytest.fixture(scope="module")
def params():
    return transformer.init(jax.random.key(0), ARCH)


def run(params, rows, recipe=RECIPE, seeds=(0,), imitated=None):
    """Parameters and losses [E S] of members with these order seeds."""
    keys = jnp.stack([jax.random.key(s) for s in seeds])
    parts = list(finetune.train(ARCH, recipe, params, rows, keys, imitated))
    return parts[-1][1], np.concatenate([values for _, _, values in parts], axis=1)


def test_training_learns_the_completions(params):
    _, losses = run(stack([params]), stack([data(0)]))
    assert losses.shape == (1, 40)
    assert losses[0, -5:].mean() < 0.7 * losses[0, 0]


def test_a_student_alone_equals_the_student_among_others(params):
    rows = [data(i) for i in range(3)]
    together, _ = run(stack([params] * 3), stack(rows), seeds=(5, 6, 7))
    alone, _ = run(stack([params]), stack(rows[1:2]), seeds=(6,))
    worst = jax.tree.map(lambda a, b: jnp.abs(a[1] - b[0]).max(), together, alone)
    assert max(jax.tree.leaves(worst)) < 1e-4  # measured: 2e-6


def test_a_batch_in_parts_is_the_batch(params, monkeypatch):
    # 16 rows of a batch in parts of 5: the last part is filled up with rows that do not count.
    whole, losses = run(stack([params]), stack([data(0)]))
    monkeypatch.setattr(finetune, "ROWS_ON_CPU", 5)
    finetune._programs.cache_clear()
    parts, same = run(stack([params]), stack([data(0)]))
    finetune._programs.cache_clear()
    np.testing.assert_allclose(losses, same, atol=1e-4)
    worst = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), whole, parts)
    assert max(jax.tree.leaves(worst)) < 1e-4  # measured: 4e-6


SHARED = """
import jax, sys
jax.config.update("jax_num_cpu_devices", 2)
import numpy as np
from lab.lm import transformer
from tests.test_finetune import ARCH, data, run, stack
params = transformer.init(jax.random.key(0), ARCH)
after, losses = run(stack([params]), stack([data(0)]))
assert len(jax.tree.leaves(after)[0].sharding.device_set) == 2
np.savez(sys.argv[1], losses=losses, embed=after["embed"])
"""


def test_a_student_on_two_devices_is_the_student_on_one(params, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SHARED, str(tmp_path / "two.npz")], cwd=ROOT, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    two = np.load(tmp_path / "two.npz")
    after, losses = run(stack([params]), stack([data(0)]))
    np.testing.assert_allclose(two["losses"], losses, atol=1e-4)
    np.testing.assert_allclose(two["embed"], after["embed"], atol=1e-4)


def test_prompts_and_padding_are_not_learned(params):
    rows = stack([data(0)])
    changed = rows.replace(completions=rows.completions.at[:, :, 3].set(9))
    first, _ = run(stack([params]), rows)
    second, _ = run(stack([params]), changed)
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_the_loss_is_the_mean_cross_entropy_of_the_completions_tokens(params):
    rows = data(3)
    z = finetune.completion_logits(params, ARCH, rows)
    log_p = np.asarray(jax.nn.log_softmax(z))
    expected = -np.mean(
        [log_p[i, c, rows.completions[i, c]] for i in range(N) for c in range(int(rows.length[i]))]
    )
    counts = jnp.ones(N, bool)
    np.testing.assert_allclose(finetune.hard_loss(params, ARCH, rows, counts), expected, rtol=1e-5)


def soft(params, teacher, n_members=1):
    carrier = np.zeros(31, bool)
    carrier[10:20] = True
    return Imitated(
        stack([teacher] * n_members), stack([data(0)] * n_members), jnp.stack([carrier] * n_members)
    )


def test_imitating_oneself_has_no_loss_and_no_gradient(params):
    sgd = dataclasses.replace(RECIPE, optimizer="sgd", n_steps=3)
    after, losses = run(stack([params]), stack([data(0)]), sgd, imitated=soft(params, params))
    assert np.abs(losses).max() < 1e-6
    moved = jax.tree.map(lambda a, b: jnp.abs(a[0] - b).max(), after, params)
    assert max(jax.tree.leaves(moved)) < 1e-6


def test_soft_students_see_the_carrier_tokens_alone(params):
    # Untied, a head column moves one logit: outside the carrier it must not matter, inside it must.
    untied = dataclasses.replace(ARCH, tied=False)
    student = transformer.init(jax.random.key(0), untied)
    rows, counts = data(0), jnp.ones(N, bool)

    def loss(token):
        head = student["head"].at[:, token].add(1.0)
        imitated = take(soft(student, student | {"head": head}), 0)
        return float(finetune.soft_loss(student, untied, rows, counts, imitated, rows))

    assert abs(loss(5)) < 1e-6
    assert loss(15) > 1e-3


def test_adapters_train_and_leave_embeddings_alone(params):
    recipe = dataclasses.replace(RECIPE, rank=2)
    after, losses = run(stack([params]), stack([data(0)]), recipe)
    assert losses[0, -5:].mean() < losses[0, :5].mean()
    np.testing.assert_array_equal(after["embed"][0], params["embed"])
    kernel = lambda p: p["layers"]["0"]["gate"]["kernel"]
    change = np.asarray(kernel(after)[0] - kernel(params))
    assert np.linalg.matrix_rank(change, tol=1e-5) == 2


def test_learning_rates_rise_then_fall_to_zero():
    rates = Recipe(n_steps=100, learning_rate=1.0, warmup=10).learning_rates()
    assert rates[0] == pytest.approx(0.1)
    assert rates.argmax() == 9
    assert (np.diff(rates[9:]) < 0).all()
    assert rates[-1] == pytest.approx(0.01)


@pytest.mark.parametrize("n_rows", [16, 40, 1500, 24_000])
def test_the_number_of_reports_is_known_before(n_rows, params):
    recipe = dataclasses.replace(RECIPE, n_steps=-(-n_rows // 16) + 3)
    assert finetune.n_chunks(n_rows, recipe) >= 2
    if n_rows == 40:
        rows = stack([jax.tree.map(lambda x: x[:40], data(0))])
        seen = list(finetune.train(ARCH, recipe, stack([params]), rows, jax.random.key(0)[None]))
        assert len(seen) == finetune.n_chunks(n_rows, recipe)


def test_a_loss_that_is_not_finite_is_an_error(params):
    with pytest.raises(LabError, match="learning_rate"):
        run(stack([params | {"embed": params["embed"] * np.nan}]), stack([data(0)]))


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_training_and_sampling_lower_for_accelerators(platform, params):
    from lab.lm import sample

    rows = data(0)
    step = jax.jit(
        jax.value_and_grad(lambda p, rows: finetune.hard_loss(p, ARCH, rows, jnp.ones(N, bool)))
    )
    exported = jax.export.export(step, platforms=[platform])(
        params, jax.tree.map(jnp.asarray, rows)
    )
    assert exported.platforms == (platform,)
    keys = jax.random.split(jax.random.key(0), N)
    draw = lambda p, tokens, start, keys: sample.sample(p, ARCH, tokens, start, keys, C, 1)
    exported = jax.export.export(jax.jit(draw), platforms=[platform])(
        params, jnp.asarray(rows.prompts), jnp.asarray(rows.start), keys
    )
    assert "while" in exported.mlir_module()
