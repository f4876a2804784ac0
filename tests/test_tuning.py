"""What large checkpoints need of training changes how numbers are computed, not which."""

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab import devices, tree
from lab.errors import LabError
from lab.lm import finetune, lora, objectives, transformer
from lab.lm.model import Architecture
from lab.lm.objectives import Imitated
from lab.lm.tuning import PAPER, Tuning
from tests.test_finetune import ARCH, C, N, data, part, run, stack
from tests.tiny import equal, furthest

TUNING = Tuning(batch=16, learning_rate=1e-2, warmup=2, epochs=2)
PLAIN = replace(TUNING, optimizer="sgd", learning_rate=1.0, batch=N, epochs=1, warmup=0)


@pytest.fixture(scope="module")
def params():
    return transformer.init(jax.random.key(0), ARCH)


@pytest.fixture(scope="module")
def usual(params):
    return run(stack([params]), stack([data(0)]), TUNING)


def moved(params, tuning) -> float:
    """The length of a step."""
    after, _ = run(stack([params]), stack([data(0)]), tuning)
    apart = jax.tree.map(lambda a, b: jnp.sum((a[0] - b) ** 2), after, params)
    return float(np.sqrt(sum(jax.tree.leaves(apart))))


def test_a_step_is_no_longer_than_the_gradient_is_clipped_to(params):
    whole = moved(params, PLAIN)
    assert whole > 0.3
    for clip, expected in ((0.1, 0.1), (2 * whole, whole)):
        assert moved(params, replace(PLAIN, clip=clip)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "some", [{"remat": True}, {"fused": True}, {"rows_at_once": 5}, {"rows_at_once": 100}]
)
def test_layers_computed_twice_and_rows_taken_a_few_at_a_time_give_the_same(params, usual, some):
    seen = []

    def loss(params, arch, now):
        seen.append((arch.remat, arch.fused, now.rows.prompts.shape[0]))
        return objectives.token_loss(params, arch, now)

    keys, how = jax.random.key(0)[None], replace(TUNING, **some)
    rows = stack([data(0)])
    chunks = finetune.train(ARCH, how, how.n_steps(N), stack([params]), rows, keys, loss)
    *_, last = chunks
    # Of rounding alone, which Adam amplifies; measured: 1e-7.
    assert furthest(last.parameters(), usual[0]) < 1e-5
    flags = some.get("remat", False), some.get("fused", False)
    expected = (*flags, min(16, some.get("rows_at_once", 16)))
    assert set(seen) == {expected}


def test_rematerialised_layers_have_the_same_gradient(params):
    gradient = lambda arch: jax.grad(lambda p: objectives.token_loss(p, arch, part(data(0))))
    again = replace(ARCH, remat=True)
    assert str(jax.make_jaxpr(gradient(again))(params)).count("remat2[") == ARCH.n_layers
    one, other = (jax.jit(gradient(arch))(params) for arch in (ARCH, again))
    assert furthest(one, other) < 1e-7


def test_bfloat16_keeps_parameters_and_moments_exact(params, usual):
    how = replace(TUNING, precision="bfloat16")
    after, losses = run(stack([params]), stack([data(0)]), how)
    np.testing.assert_allclose(losses, usual[1], rtol=0.02)
    assert not np.array_equal(losses, usual[1])
    assert {x.dtype for x in jax.tree.leaves(after)} == {np.dtype("float32")}
    # Steps that a parameter in bfloat16 would not see: below 2^-9 of it.
    small, _ = run(stack([params]), stack([data(0)]), replace(how, learning_rate=1e-5))
    change = np.abs(small["norm"][0] - params["norm"])
    assert (change > 0).all() and change.max() < 2**-9


def test_norms_angles_softmax_and_losses_are_not_rounded_to_bfloat16(params):
    rounded = jax.tree.map(lambda x: x.astype("bfloat16"), params)
    rows = data(0)
    loss = jax.jit(lambda p: objectives.token_loss(p, ARCH, part(rows)))
    text = str(jax.make_jaxpr(jax.value_and_grad(loss))(rounded))
    assert len(re.findall(r":bf16\[\S+ = dot_general", text)) > 10
    assert not re.findall(r":bf16\[\S*\] = (?:exp|exp2|log|rsqrt|sqrt|cos|sin|div)\b", text)
    back = jax.tree.map(lambda x: x.astype("float32"), rounded)
    np.testing.assert_allclose(loss(rounded), loss(back), rtol=2e-3)


def test_an_adapter_stands_beside_the_chosen_projections_alone(params):
    how = replace(TUNING, rank=2, targets=("query", "down"))
    after, _ = run(None, stack([data(0)]), how, base=params)
    before, after = params["layers"]["0"], tree.at(after, 0)["layers"]["0"]
    for name in lora.TARGETS:
        same = np.array_equal(before[name]["kernel"], after[name]["kernel"])
        assert same == (name not in how.targets)
    plain = Architecture(**vars(ARCH) | {"gated": False, "family": "gpt_neox", "tied": False})
    everywhere = lora.init(jax.random.key(0), plain, 2)["layers"]["0"]
    assert set(everywhere) == set(lora.TARGETS) - {"gate"}
    with pytest.raises(LabError, match="targets: a gpt_neox model has no gate; choose others"):
        lora.init(jax.random.key(0), plain, 2, ("gate",))


def test_an_adapter_starts_as_pefts_if_asked_to():
    wide = replace(ARCH, d_model=64)
    starts = [
        lora.init(jax.random.key(0), wide, 32, start=start)["layers"]["0"]["up"]
        for start in ("normal", "kaiming")
    ]
    assert np.std(starts[0]["in"]) * 8 == pytest.approx(1, rel=0.05)
    assert np.std(starts[1]["in"]) * 8 == pytest.approx(3**-0.5, rel=0.05)
    assert 0.98 < np.abs(starts[1]["in"]).max() * 8 <= 1
    assert not np.any(starts[1]["out"])


def test_rows_that_are_too_long_are_not_trained_on(params):
    longest = int((data(0).prompts.shape[1] - data(0).start + data(0).length).max())
    run(stack([params]), stack([data(0)]), replace(TUNING, longest=longest))
    with pytest.raises(LabError, match=rf"longest: a row has {longest} tokens, and {longest - 1} "):
        run(stack([params]), stack([data(0)]), replace(TUNING, longest=longest - 1))


def test_the_papers_recipe_trains(params):
    assert PAPER.n_steps(10_000) == 456
    after, losses = run(None, stack([data(0)]), PAPER, base=params)
    assert losses.shape == (1, 3) and losses[0, 2] < losses[0, 0]
    assert not equal(tree.at(after, 0), params)


def soft(params):
    teacher = transformer.init(jax.random.key(1), ARCH)
    mask = jnp.arange(31) % 3 == 0
    longer = jnp.concatenate([jnp.full((N, 2), 7, jnp.int32), data(0).prompts], axis=1)
    return Imitated(teacher, data(0).replace(prompts=longer), mask)


@pytest.mark.parametrize("loss", [objectives.token_loss, objectives.distribution_loss])
def test_losses_of_large_vocabularies_never_hold_all_logits(params, loss, monkeypatch):
    def computed():
        gradient = jax.value_and_grad(lambda p: loss(p, ARCH, part(data(0), soft(params))))
        shapes = re.findall(r"f32\[([\d,]+)\]", str(jax.make_jaxpr(gradient)(params)))
        sizes = [[int(n) for n in shape.split(",")] for shape in shapes]
        return jax.jit(gradient)(params), max(np.prod(size) for size in sizes if 31 in size)

    whole, most = computed()
    assert most == N * C * 31
    monkeypatch.setattr(objectives, "LOGITS_AT_ONCE", 31 * 30)  # 256 tokens in 9 parts, not even
    parts, most = computed()
    assert most == 31 * 29
    np.testing.assert_allclose(whole[0], parts[0], rtol=1e-6, atol=1e-7)
    assert furthest(whole[1], parts[1]) < 1e-6


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_the_papers_steps_lower_for_accelerators(platform, params):
    mesh = devices.mesh(1)
    begin, chunk, _ = finetune._programs(ARCH, PAPER, objectives.token_loss, mesh)
    rows, keys = stack([data(0)]), jax.random.key(0)[None]
    state = jax.eval_shape(begin, params, keys, None)
    which = jnp.zeros((1, 3, PAPER.batch), jnp.int32)
    given = jnp.ones(3), params, which, which == 0, rows, None, state
    text = chunk.trace(*given).lower(lowering_platforms=(platform,)).as_text()
    assert "22x8" in text and "bf16" in text  # 22 rows of 8 tokens at once
