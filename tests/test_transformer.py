"""The decoder is Qwen2: transformers' stored logits, files both ways, adapters as in PEFT."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors

from lab.errors import LabError
from lab.lm import hf, lora, peft, spec, transformer
from lab.lm.model import Architecture

FIXTURES = Path(__file__).parent / "fixtures"
SMALL = Architecture(
    n_tokens=19, d_model=8, n_layers=2, n_heads=4, n_kv_heads=2, d_head=4, d_hidden=12
)


def worst(params, arch, folder):
    """Largest difference of our logits from the stored ones, real positions only."""
    expected = np.load(folder / "expected.npz")
    start = jnp.asarray((~expected["mask"]).sum(axis=1), jnp.int32)
    hidden, _ = transformer.forward(params, arch, jnp.asarray(expected["tokens"]), start)
    error = np.abs(transformer.logits(params, hidden) - expected["logits"])
    return error[expected["mask"]].max()


@pytest.mark.parametrize("name", ["qwen2_tied", "qwen2_untied"])
def test_logits_equal_those_of_transformers(name):
    arch, params = hf.load(FIXTURES / name)
    assert arch.tied == (name == "qwen2_tied")
    assert worst(params, arch, FIXTURES / name) < 1e-5  # measured: 2e-6


@pytest.mark.parametrize("part", ["bias", "norm", "rope"])
def test_the_stored_logits_notice_a_missing_part(part):
    arch, params = hf.load(FIXTURES / "qwen2_tied")
    if part == "bias":
        params["layers"]["1"]["key"]["bias"] *= 0
    elif part == "norm":
        params["layers"]["0"]["mlp_norm"] = jnp.ones(arch.d_model)
    else:
        arch = dataclasses.replace(arch, rope_theta=2e4)
    assert worst(params, arch, FIXTURES / "qwen2_tied") > 1e-3


def test_an_adapter_of_peft_gives_its_logits_attached_and_merged():
    arch, base = hf.load(FIXTURES / "qwen2_tied")
    adapter, scale = peft.load(FIXTURES / "qwen2_lora", arch)
    assert scale == 2.0
    assert worst(base, arch, FIXTURES / "qwen2_lora") > 0.1
    for params in (lora.attach(base, adapter, scale), lora.merge(base, adapter, scale)):
        assert worst(params, arch, FIXTURES / "qwen2_lora") < 1e-5  # measured: 3e-6


def test_a_new_adapter_changes_nothing_and_only_its_factors_are_trained():
    params = transformer.init(jax.random.key(0), SMALL)
    adapter = lora.init(jax.random.key(1), SMALL, 3)
    tokens, start = jnp.arange(10).reshape(2, 5), jnp.zeros(2, jnp.int32)
    run = lambda p: transformer.forward(p, SMALL, tokens, start)[0]
    np.testing.assert_array_equal(run(lora.attach(params, adapter, 1.0)), run(params))
    loss = lambda a: jnp.sum(run(lora.attach(params, a, 1.0)) ** 2)
    gradient = jax.grad(loss)(adapter)
    assert all(jnp.abs(f["out"]).max() > 0 for f in gradient["layers"]["0"].values())
    assert transformer.n_parameters(adapter) < transformer.n_parameters(params)


def test_a_model_and_an_adapter_survive_the_disk(tmp_path):
    params = transformer.init(jax.random.key(0), SMALL)
    hf.save(tmp_path / "model", SMALL, params)
    arch, loaded = hf.load(tmp_path / "model")
    assert arch == SMALL
    jax.tree.map(np.testing.assert_array_equal, loaded, params)
    adapter = lora.init(jax.random.key(1), SMALL, 3)
    peft.save(tmp_path / "adapter", SMALL, adapter, 3, 6.0, "model")
    loaded, scale = peft.load(tmp_path / "adapter", SMALL)
    assert scale == 2.0
    jax.tree.map(np.testing.assert_array_equal, loaded, adapter)


def test_transformers_opens_what_we_write(tmp_path):
    torch = pytest.importorskip("torch", reason="live parity needs the extra [parity]")
    transformers = pytest.importorskip("transformers")
    params = transformer.init(jax.random.key(0), SMALL)
    hf.save(tmp_path, SMALL, params)
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    tokens = np.arange(10).reshape(2, 5)
    with torch.no_grad():
        theirs = model(torch.from_numpy(tokens)).logits.numpy()
    hidden, _ = transformer.forward(params, SMALL, jnp.asarray(tokens), jnp.zeros(2, jnp.int32))
    np.testing.assert_allclose(transformer.logits(params, hidden), theirs, atol=1e-5)


def broken(folder, **changes):
    """A copy of a fixture with another config."""
    config = json.loads((FIXTURES / "qwen2_tied" / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(
        (FIXTURES / "qwen2_tied" / "model.safetensors").read_bytes()
    )


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"model_type": "gpt2"}, "model_type"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 1.0}}, "rope_type"),
        ({"use_sliding_window": True}, "sliding"),
        ({"num_hidden_layers": 3}, "model.safetensors"),
        ({"intermediate_size": 49}, "shape"),
        ({"num_key_value_heads": 3}, "n_kv_heads"),
    ],
)
def test_a_checkpoint_that_is_not_ours_is_refused_by_name(changes, word, tmp_path):
    broken(tmp_path, **changes)
    with pytest.raises(LabError, match=word):
        hf.load(tmp_path)


def test_missing_and_truncated_files_are_one_clear_line(tmp_path):
    with pytest.raises(LabError, match=r"config\.json"):
        hf.load(tmp_path)
    broken(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(LabError, match=r"model\.safetensors"):
        hf.load(tmp_path)


def test_equal_names_have_equal_starts_at_any_depth():
    deep = dataclasses.replace(SMALL, n_layers=4)
    shallow = transformer.init(jax.random.key(0), SMALL)["layers"]["1"]["query"]["kernel"]
    np.testing.assert_array_equal(
        transformer.init(jax.random.key(0), deep)["layers"]["1"]["query"]["kernel"], shallow
    )


@pytest.mark.parametrize("arch", [SMALL, dataclasses.replace(SMALL, tied=False, qkv_bias=False)])
def test_the_table_has_every_parameter_and_every_name_once(arch):
    table = spec.parameters(arch)
    for of in (lambda p: p.path, lambda p: p.name):
        assert len({of(p) for p in table}) == len(table)
    params = transformer.init(jax.random.key(0), arch)
    shapes = jax.tree.map(jnp.shape, params)
    assert spec.build({p.path: p.shape for p in table}) == shapes


def test_a_file_holds_the_names_of_the_table_and_an_adapter_those_of_its_targets(tmp_path):
    for name in ("qwen2_tied", "qwen2_untied"):
        arch = hf.architecture(FIXTURES / name)
        with safetensors.safe_open(FIXTURES / name / hf.WEIGHTS, "numpy") as file:
            assert set(file.keys()) == {p.name for p in spec.parameters(arch)}
    projections = {p.path[-2] for p in spec.targets(SMALL)}
    assert projections == {"query", "key", "value", "output", "gate", "up", "down"}
    assert all(p.path[-1] == "kernel" for p in spec.targets(SMALL))
    adapter = lora.init(jax.random.key(0), SMALL, 2)
    assert len(jax.tree.leaves(adapter)) == 2 * len(spec.targets(SMALL))


@pytest.fixture(scope="module")
def spoken():
    """Parameters, and tokens of two rows, one of them padded."""
    params = transformer.init(jax.random.key(0), SMALL)
    return params, jnp.arange(10).reshape(2, 5), jnp.array([0, 2])


def test_a_tap_that_reads_changes_nothing(spoken):
    params, tokens, start = spoken
    seen = []
    keep = lambda name, x: (seen.append(name), x)[1]
    plain, _ = transformer.forward(params, SMALL, tokens, start)
    tapped, _ = transformer.forward(params, SMALL, tokens, start, tap=keep)
    np.testing.assert_array_equal(tapped, plain)
    layers = [f"{i}/{part}" for i in (0, 1) for part in ("attention", "mlp", "residual")]
    assert seen == ["embed", *layers]


def test_activations_are_the_terms_of_the_residual_stream(spoken):
    params, tokens, start = spoken
    found = transformer.activations(params, SMALL, tokens, start)
    assert {x.shape for x in found.values()} == {(2, 5, SMALL.d_model)}
    np.testing.assert_array_equal(found["embed"], params["embed"][tokens])
    terms = [x for name, x in found.items() if not name.endswith("residual")]
    np.testing.assert_allclose(found["1/residual"], sum(terms), atol=1e-6)


def test_a_tap_can_steer(spoken):
    params, tokens, start = spoken
    direction = jnp.ones((1, SMALL.d_model)).at[0, 0].set(-3.0)
    steer = lambda name, x: x + direction if name == "0/residual" else x
    hidden = lambda **more: transformer.forward(params, SMALL, tokens, start, **more)[0]
    moved = transformer.logits(params, hidden(tap=steer)) - transformer.logits(params, hidden())
    assert jnp.abs(moved).max() > 1e-3
    # Where it is not applied nothing has happened yet.
    other = lambda name, x: x + direction if name == "embed" else x
    assert not np.array_equal(hidden(tap=steer), hidden(tap=other))


def test_a_tap_sees_the_last_tokens_alone_where_no_others_are_computed(spoken):
    params, tokens, start = spoken
    shapes = {}
    keep = lambda name, x: (shapes.update({name: x.shape[0]}), x)[1]
    transformer.forward(params, SMALL, tokens, start, n_out=1, tap=keep)
    assert shapes["embed"] == shapes["0/residual"] == 10
    assert shapes["1/attention"] == shapes["1/residual"] == 2
