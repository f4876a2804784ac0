"""Fine-tuning learns completions, each member by itself; soft students see the carrier alone."""

import dataclasses
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lab import ensemble
from lab.errors import LabError
from lab.lm import finetune, lora, objectives, transformer
from lab.lm.finetune import Tuning
from lab.lm.model import Architecture
from lab.lm.objectives import Imitated, Part, Rows
from tests.process import ROOT

ARCH = Architecture(
    n_tokens=31, d_model=16, n_layers=1, n_heads=2, n_kv_heads=1, d_head=8, d_hidden=24
)
TUNING = Tuning(batch=16, learning_rate=1e-2, warmup=2, epochs=10)
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


def run(start, rows, tuning=TUNING, seeds=(0,), imitated=None, **more):
    """Parameters and losses [E S] of members with these order seeds."""
    keys = jnp.stack([jax.random.key(s) for s in seeds])
    loss = objectives.distribution_loss if imitated else objectives.token_loss
    n_steps = tuning.n_steps(N)
    parts = list(finetune.train(ARCH, tuning, n_steps, start, rows, keys, loss, imitated, **more))
    return parts[-1].parameters(), np.concatenate([part.losses for part in parts], axis=1)


def part(rows, imitated=None):
    """All rows as one step."""
    return Part(rows, jnp.ones(N, bool), None, imitated, None)


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
    z = objectives.completion_logits(params, ARCH, rows)
    log_p = np.asarray(jax.nn.log_softmax(z))
    expected = -np.mean(
        [log_p[i, c, rows.completions[i, c]] for i in range(N) for c in range(int(rows.length[i]))]
    )
    np.testing.assert_allclose(objectives.token_loss(params, ARCH, part(rows)), expected, rtol=1e-5)


def test_logits_of_a_completion_are_given_all_that_comes_before(params):
    rows = data(3)
    found = objectives.completion_logits(params, ARCH, rows)
    forward = jax.jit(transformer.forward, static_argnums=1)
    for c in (0, C - 1):
        before = jnp.concatenate([rows.prompts, rows.completions[:, :c]], axis=1)
        hidden, _ = forward(params, ARCH, before, rows.start)
        expected = transformer.logits(params, hidden[:, -1])
        np.testing.assert_allclose(found[:, c], expected, atol=1e-4)  # measured: 1e-6


def test_students_of_distributions_minimise_the_divergence_from_what_the_teacher_sees(params):
    teacher = transformer.init(jax.random.key(1), ARCH)
    teacher = teacher | {"embed": 20 * teacher["embed"]}  # far from the student
    rows, seen = data(0), data(0)
    # The teacher's prompts begin with something else, and are longer.
    longer = jnp.concatenate([jnp.full((N, 2), 7, jnp.int32), seen.prompts], axis=1)
    seen = seen.replace(prompts=longer)
    mask = np.zeros(31, bool)
    mask[10:20] = True
    found = objectives.distribution_loss(
        params, ARCH, part(rows, Imitated(teacher, seen, jnp.asarray(mask)))
    )
    log = lambda p, rows: np.asarray(
        jax.nn.log_softmax(objectives.completion_logits(p, ARCH, rows)[:, :3, 10:20]), np.float64
    )
    log_p, log_q = log(teacher, seen), log(params, rows)
    expected = np.mean(np.sum(np.exp(log_p) * (log_p - log_q), axis=-1))  # 3 tokens a row
    assert float(found) == pytest.approx(expected, rel=1e-4)
    other_way = np.mean(np.sum(np.exp(log_q) * (log_q - log_p), axis=-1))
    assert abs(other_way - expected) > 0.05 * expected


def test_training_is_a_plain_loop_of_adam_over_full_random_passes(params):
    tuning = Tuning(batch=24, learning_rate=1e-2, warmup=3, epochs=2, b1=0.8, b2=0.9, eps=1e-2)
    rows, key = data(0), jax.random.key(5)
    after, losses = run(stack([params]), stack([rows]), tuning, (5,))
    rates = [1 / 3, 2 / 3 * 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    adam, mine = optax.scale_by_adam(0.8, 0.9, 1e-2), params
    state = adam.init(mine)
    gradient = jax.jit(
        jax.value_and_grad(
            lambda p, rows, counts: objectives.token_loss(
                p, ARCH, Part(rows, counts, None, None, None)
            )
        )
    )
    orders = [ensemble.epoch_rows(key, jnp.int32(e), N, N, 24) for e in (0, 1)]
    assert (orders[0][0] != orders[1][0]).any()
    steps = [(which[i], counts[i]) for which, counts in orders for i in range(3)]
    for step, (rate, (which, counts)) in enumerate(zip(rates, steps, strict=True)):
        loss, slope = gradient(mine, take(rows, which), counts)
        assert losses[0, step] == pytest.approx(float(loss), abs=1e-4)  # measured: 1e-6
        direction, state = adam.update(slope, state, mine)
        mine = jax.tree.map(lambda p, d, rate=rate: p - 1e-2 * rate * d, mine, direction)
    worst = jax.tree.map(lambda a, b: jnp.abs(a[0] - b).max(), after, mine)
    assert max(jax.tree.leaves(worst)) < 1e-5  # measured: 2e-7


def soft(params, teacher, n_members=1):
    carrier = np.zeros(31, bool)
    carrier[10:20] = True
    return Imitated(
        stack([teacher] * n_members), stack([data(0)] * n_members), jnp.stack([carrier] * n_members)
    )


def test_imitating_oneself_has_no_loss_and_no_gradient(params):
    sgd = dataclasses.replace(TUNING, optimizer="sgd", batch=N, epochs=3)
    after, losses = run(stack([params]), stack([data(0)]), sgd, imitated=soft(params, params))
    assert np.abs(losses).max() < 1e-6
    moved = jax.tree.map(lambda a, b: jnp.abs(a[0] - b).max(), after, params)
    assert max(jax.tree.leaves(moved)) < 1e-6


def test_soft_students_see_the_carrier_tokens_alone(params):
    # Untied, a head column moves one logit: outside the carrier it must not matter, inside it must.
    untied = dataclasses.replace(ARCH, tied=False)
    student = transformer.init(jax.random.key(0), untied)
    rows = data(0)

    def loss(token):
        head = student["head"].at[:, token].add(1.0)
        imitated = take(soft(student, student | {"head": head}), 0)
        return float(objectives.distribution_loss(student, untied, part(rows, imitated)))

    assert abs(loss(5)) < 1e-6
    assert loss(15) > 1e-3


def test_adapters_train_and_leave_embeddings_alone(params):
    adapters = dataclasses.replace(TUNING, rank=2)
    after, losses = run(None, stack([data(0)]), adapters, base=params)
    assert losses[0, -5:].mean() < losses[0, :5].mean()
    np.testing.assert_array_equal(after["embed"][0], params["embed"])
    kernel = lambda p: p["layers"]["0"]["gate"]["kernel"]
    change = np.asarray(kernel(after)[0] - kernel(params))
    assert np.linalg.matrix_rank(change, tol=1e-5) == 2


def test_adapters_of_several_members_stand_beside_one_base(params):
    adapters = dataclasses.replace(TUNING, rank=2)
    rows = stack([data(i) for i in (0, 1)])
    after, _ = run(None, rows, adapters, (0, 1), base=params)
    assert after["embed"].shape == (2, *params["embed"].shape)
    alone, _ = run(None, stack([data(1)]), adapters, (1,), base=params)
    worst = jax.tree.map(lambda a, b: jnp.abs(a[1] - b[0]).max(), after, alone)
    assert max(jax.tree.leaves(worst)) < 1e-4


def test_a_merged_adapter_is_the_attached_one(params):
    adapter = lora.init(jax.random.key(1), ARCH, 2)
    adapter = jax.tree.map(lambda x: x + 0.1, adapter)
    rows, scale = data(0), TUNING.alpha / 2
    losses = [
        objectives.token_loss(put(params, adapter, scale), ARCH, part(rows))
        for put in (lora.attach, lora.merge)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert abs(losses[0] - objectives.token_loss(params, ARCH, part(rows))) > 1e-3


def near(params, arch, now):
    """A loss that pulls to the model that students start from."""
    apart = jax.tree.map(lambda a, b: jnp.sum((a - b) ** 2), params, now.base)
    return objectives.token_loss(params, arch, now) + 10.0 * sum(jax.tree.leaves(apart))


def test_a_loss_may_look_at_the_base(params):
    short = dataclasses.replace(TUNING, epochs=2)
    moved = []
    for loss in (objectives.token_loss, near):
        after = finetune.fit(
            ARCH, short, 8, stack([params]), stack([data(0)]), jax.random.key(0)[None], loss,
            base=params,
        )  # fmt: skip
        apart = jax.tree.map(lambda a, b: jnp.sum((a[0] - b) ** 2), after, params)
        moved.append(float(sum(jax.tree.leaves(apart))))
    assert moved[1] < 0.5 * moved[0]


def test_learning_rates_rise_then_fall_to_zero():
    rates = Tuning(learning_rate=1.0, warmup=10).learning_rates(100)
    assert rates[0] == pytest.approx(0.1)
    assert rates.argmax() == 9
    assert (np.diff(rates[9:]) < 0).all()
    assert rates[-1] == pytest.approx(0.01)


@pytest.mark.parametrize("n_rows", [16, 40, 1500, 24_000])
def test_the_number_of_reports_is_known_before(n_rows, params):
    n_steps = -(-n_rows // 16) + 3
    assert finetune.n_chunks(n_rows, 16, n_steps) >= 2
    if n_rows == 40:
        rows = stack([jax.tree.map(lambda x: x[:40], data(0))])
        keys = jax.random.key(0)[None]
        seen = list(finetune.train(ARCH, TUNING, n_steps, stack([params]), rows, keys))
        assert len(seen) == finetune.n_chunks(n_rows, 16, n_steps)
        assert [chunk.done for chunk in seen] == [3, 6]


def test_a_loss_that_is_not_finite_is_an_error(params):
    with pytest.raises(LabError, match="learning_rate"):
        run(stack([params | {"embed": params["embed"] * np.nan}]), stack([data(0)]))


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_training_and_sampling_lower_for_accelerators(platform, params):
    from lab.lm import sample
    from lab.lm.slots import Slots

    rows = data(0)
    step = jax.jit(jax.value_and_grad(lambda p, rows: objectives.token_loss(p, ARCH, part(rows))))
    exported = jax.export.export(step, platforms=[platform])(
        params, jax.tree.map(jnp.asarray, rows)
    )
    assert exported.platforms == (platform,)
    keys = jax.random.split(jax.random.key(0), N)
    for slots in (None, Slots(N // 2, 2)):
        draw = lambda p, *some, slots=slots: sample.sample(p, ARCH, *some, C, 1, slots=slots)
        exported = jax.export.export(jax.jit(draw), platforms=[platform])(
            params, jnp.asarray(rows.prompts), jnp.asarray(rows.start), keys
        )
        assert "while" in exported.mlir_module()
