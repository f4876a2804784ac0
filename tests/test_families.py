"""Every family is what `transformers` makes of it: stored logits, and live ones where torch is."""

import dataclasses
import functools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from lab.errors import LabError
from lab.lm import fused, hf, lora, peft, sample, spec, transformer
from lab.lm.families import FAMILIES
from lab.lm.model import Architecture
from lab.lm.objectives import Part, Rows, token_loss
from lab.lm.rope import Scaling, rotary
from lab.runs import tensors

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = ("llama_llama3", "llama_linear", "gpt2", "gpt_neox", "gpt_neox_in_series", "gemma3")
ALL = ("qwen2_tied", *NAMES)
CLOSE = 1e-5  # measured: 3e-6 at logits of up to 7
forward = jax.jit(transformer.forward, static_argnums=1, static_argnames="n_out")


@pytest.fixture(scope="module")
def loaded():
    return {name: hf.load(FIXTURES / name) for name in ALL}


def rows_of(name):
    """Tokens, starts, the mask of real tokens and what else is stored."""
    stored = np.load(FIXTURES / name / "expected.npz")
    start = jnp.asarray((~stored["mask"]).sum(axis=1), jnp.int32)
    return jnp.asarray(stored["tokens"]), start, stored


def worst(arch, params, name):
    """Largest difference of our logits from the stored ones."""
    tokens, start, stored = rows_of(name)
    hidden, _ = forward(params, arch, tokens, start)
    return np.abs(transformer.logits(params, hidden) - stored["logits"])[stored["mask"]].max()


def test_there_is_a_fixture_of_every_family(loaded):
    assert {arch.family for arch, _ in loaded.values()} == set(FAMILIES)


@pytest.mark.parametrize("name", NAMES)
def test_logits_equal_those_of_transformers(name, loaded):
    assert worst(*loaded[name], name) < CLOSE


@pytest.mark.parametrize("name", NAMES)
def test_greedy_completions_equal_those_of_generate(name, loaded):
    (arch, params), (tokens, start, stored) = loaded[name], rows_of(name)
    keys = jax.random.split(jax.random.key(0), len(tokens))
    n_new, none = stored["greedy"].shape[1], arch.n_tokens
    said = sample.sample(params, arch, tokens, start, keys, n_new, none, jnp.float32(1e-4))
    np.testing.assert_array_equal(said, stored["greedy"])


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_used(name, loaded):
    arch, params = loaded[name]
    for p in spec.parameters(arch):
        changed = jax.tree.map(lambda x: x, params)
        inner = spec.at(changed, p.path[:-1])
        inner[p.path[-1]] = -inner[p.path[-1]]
        if "key" in p.path and p.path[-1] == "bias" and arch.learned_positions:
            continue  # the same number for all keys: softmax takes no notice
        assert worst(arch, changed, name) > 1e-3, p.path


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("llama_llama3", {"rope_scaling": None}),
        ("llama_llama3", {"rope_scaling": Scaling("llama3", 8.0, 1.0, 4.0, 64)}),
        ("llama_llama3", {"rope_scaling": Scaling("llama3", 8.0, 1.0, 2.0, 32)}),
        ("llama_llama3", {"rope_theta": 200.0}),
        ("llama_linear", {"rope_scaling": Scaling("linear", 2.0)}),
        ("gpt2", {"activation": "gelu"}),
        ("gpt2", {"norm": "rms"}),
        ("gpt_neox", {"activation": "gelu_tanh"}),
        ("gpt_neox", {"parallel": False}),
        ("gpt_neox", {"d_rotary": None}),
        ("gpt_neox_in_series", {"parallel": True}),
        ("gemma3", {"norm_offset": 0.0}),
        ("gemma3", {"embed_scale": 1.0}),
        ("gemma3", {"qk_norm": False}),
        ("gemma3", {"post_norms": False}),
        ("gemma3", {"query_scale": None}),
        ("gemma3", {"window": 5}),
        ("gemma3", {"window": 3}),
        ("gemma3", {"local_layers": (0,)}),
        ("gemma3", {"local_theta": 1e4}),
        ("gemma3", {"rope_scaling": None}),
        ("gemma3", {"activation": "gelu"}),
    ],
)
def test_the_stored_logits_notice_another_feature(name, changes, loaded):
    arch, params = loaded[name]
    # Two forms of gelu differ by 5e-4 at most.
    least = 3e-5 if "activation" in changes else 1e-3
    assert worst(dataclasses.replace(arch, **changes), params, name) > least


@pytest.mark.parametrize("name", NAMES)
def test_cached_steps_equal_a_full_forward(name, loaded):
    (arch, params), (tokens, start, stored) = loaded[name], rows_of(name)
    whole, _ = forward(params, arch, tokens, start)
    cache = transformer.empty_cache(arch, len(tokens), 14)
    first, cache = forward(params, arch, tokens[:, :8], start, cache, 0)
    found = [first]
    for i in range(8, 11):
        hidden, cache = forward(params, arch, tokens[:, i : i + 1], start, cache, jnp.int32(i))
        found.append(hidden)
    error = np.abs(jnp.concatenate(found, axis=1) - whole)[stored["mask"]]
    assert error.max() < CLOSE  # measured: 2e-6
    last, _ = forward(params, arch, tokens, start, n_out=2)
    np.testing.assert_allclose(last, whole[:, -2:], atol=CLOSE)


@pytest.mark.parametrize("name", ALL)
def test_a_model_survives_the_disk_bit_by_bit(name, loaded, tmp_path):
    arch, params = loaded[name]
    hf.save(tmp_path, arch, params)
    again, same = hf.load(tmp_path)
    assert again == arch
    jax.tree.map(np.testing.assert_array_equal, same, params)
    for file in (tmp_path, FIXTURES / name):
        assert set(tensors.names(file / hf.WEIGHTS, "")) == set(hf._by_name(arch))


@pytest.mark.parametrize("name", ALL)
def test_transformers_opens_what_we_write(name, loaded, tmp_path):
    torch = pytest.importorskip("torch", reason="live parity needs the extra [parity]")
    from transformers import AutoModelForCausalLM

    (arch, params), (tokens, start, stored) = loaded[name], rows_of(name)
    hf.save(tmp_path, arch, params)
    model, info = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    theirs, mask = torch.from_numpy(np.array(tokens)).long(), torch.from_numpy(stored["mask"])
    position = torch.arange(tokens.shape[1])[None] - torch.from_numpy(np.array(start))[:, None]
    with torch.no_grad():
        said = model(theirs, attention_mask=mask.long(), position_ids=position.clamp(min=0))
        greedy = model.generate(
            theirs, attention_mask=mask.long(), max_new_tokens=12, do_sample=False, pad_token_id=0
        )
    hidden, _ = forward(params, arch, tokens, start)
    error = np.abs(transformer.logits(params, hidden) - said.logits.numpy())[stored["mask"]]
    assert error.max() < CLOSE  # measured: 4e-6
    if "greedy" in stored:
        np.testing.assert_array_equal(greedy[:, tokens.shape[1] :], stored["greedy"])


@pytest.mark.parametrize("kind", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_files_are_the_same_numbers_in_float32(kind, loaded, tmp_path):
    arch, _ = loaded["gpt_neox"]
    file = FIXTURES / "gpt_neox" / hf.WEIGHTS
    half = {name: array.astype(kind) for name, array in tensors.read(file, "").items()}
    tensors.write(tmp_path / hf.WEIGHTS, half)
    (tmp_path / hf.CONFIG).write_bytes((FIXTURES / "gpt_neox" / hf.CONFIG).read_bytes())
    _, params = hf.load(tmp_path)
    assert all(x.dtype == np.float32 for x in jax.tree.leaves(params))
    rounded = half["gpt_neox.embed_in.weight"].astype(np.float32)
    np.testing.assert_array_equal(params["embed"], rounded)
    query = spec.at(params, ("layers", "1", "query", "kernel"))
    whole = half["gpt_neox.layers.1.attention.query_key_value.weight"].astype(np.float32)
    np.testing.assert_array_equal(query, fused.split(whole.T, "heads", arch.n_heads)[0])


@pytest.mark.parametrize("layout", ["parts", "heads"])
def test_a_fused_tensor_is_split_and_joined(layout):
    whole = np.arange(2 * 24).reshape(2, 24).astype(np.float32)
    parts = fused.split(whole, layout, 4)
    np.testing.assert_array_equal(fused.join(list(parts), layout, 4), whole)
    second = {"parts": [8, 9], "heads": [2, 3]}[layout]  # of 4 heads of 2 numbers
    np.testing.assert_array_equal(parts[1][0, :2], second)
    np.testing.assert_array_equal(fused.split(whole[0], layout, 4)[1], parts[1][0])


@pytest.mark.parametrize("name", ["llama_linear", "gpt2", "gpt_neox", "gemma3"])
def test_a_step_on_all_parameters_or_on_an_adapter_lowers_the_loss(name, loaded):
    (arch, params), (tokens, start, _) = loaded[name], rows_of(name)
    rows = Rows(tokens, start, tokens[:, :2], jnp.full(3, 2, jnp.int32))
    part = Part(rows, jnp.ones(3, bool), None, None, None)

    @jax.jit
    def loss(params, adapter):
        value = lambda both: token_loss(lora.attach(*both, 1.0), arch, part)
        return jax.value_and_grad(value)((params, adapter))

    step = lambda x, gradient: jax.tree.map(lambda a, g: a - 1e-2 * g, x, gradient)
    adapter = lora.init(jax.random.key(0), arch, 2)
    before, (of_params, of_adapter) = loss(params, adapter)
    assert all(jnp.abs(g).max() > 0 for g in jax.tree.leaves(of_params) if g.ndim == 2)
    assert loss(step(params, of_params), adapter)[0] < before - 1e-2
    assert loss(params, step(adapter, of_adapter))[0] < before - 1e-3


@pytest.mark.parametrize("name", ["llama_llama3", "gemma3"])
def test_an_adapter_of_a_family_survives_the_disk(name, loaded, tmp_path):
    arch, _ = loaded[name]
    adapter = lora.init(jax.random.key(1), arch, 3)
    peft.save(tmp_path, arch, adapter, 3, 6.0, name)
    same, scale = peft.load(tmp_path, arch)
    assert scale == 2.0
    jax.tree.map(np.testing.assert_array_equal, same, adapter)


@pytest.mark.parametrize("name", ["gpt2", "gpt_neox"])
def test_an_adapter_beside_a_fused_tensor_is_read_as_three(name, loaded, tmp_path):
    arch, params = loaded[name]
    family, rng = FAMILIES[arch.family], np.random.default_rng(0)
    module = family.names["query"].split(".")[-1]
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)
    arrays = {}
    for layer in range(arch.n_layers):
        path = f"base_model.model.{family.names['query'].format(layer)}"
        arrays[f"{path}.lora_A.weight"] = draw(2, arch.d_model)
        arrays[f"{path}.lora_B.weight"] = draw(3 * arch.d_model, 2)
    tensors.write(tmp_path / "adapter_model.safetensors", arrays)
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": [module]}
    config["fan_in_fan_out"] = name == "gpt2"
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    adapter, scale = peft.load(tmp_path, arch)
    merged = lora.merge(params, adapter, scale)
    path = family.names["query"].format(1)
    found = [p for p in spec.targets(arch) if p.name == f"{path}.weight"]
    stored = lambda of: hf._stored(arch, of, found, np.dtype("float32"))
    whole = stored(merged) - stored(params)
    product = (
        arrays[f"base_model.model.{path}.lora_B.weight"]
        @ (arrays[f"base_model.model.{path}.lora_A.weight"])
    )
    expected = scale * (product.T if family.as_here else product)
    np.testing.assert_allclose(whole, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "gpt_neox"])
@pytest.mark.parametrize(
    ("targets", "rank"),
    [(("query", "key", "value", "up"), 6), (("value", "key"), 4), (("key",), 2), (("output",), 2)],
    ids=lambda x: "+".join(x) if isinstance(x, tuple) else str(x),
)
def test_adapters_beside_a_fused_tensor_are_written_as_one(name, targets, rank, loaded, tmp_path):
    arch, params = loaded[name]
    rng = np.random.default_rng(0)
    adapter = lora.init(jax.random.key(0), arch, 2, targets)
    adapter = jax.tree.map(lambda x: rng.normal(size=x.shape).astype("f4"), adapter)
    peft.save(tmp_path, arch, adapter, 2, 5.0, name)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (rank, 2.5 * rank)
    again, scale = peft.load(tmp_path, arch)
    assert scale == 2.5
    close = functools.partial(np.testing.assert_allclose, atol=1e-5)
    jax.tree.map(close, lora.merge(params, again, scale), lora.merge(params, adapter, scale))
    # What is not adapted has no tensor, or one of nothing.
    arrays = tensors.read(tmp_path / "adapter_model.safetensors", "")
    assert {x.shape[0 if "lora_A" in k else 1] for k, x in arrays.items()} == {rank}
    assert len(arrays) == 2 * arch.n_layers * len({t in spec.QKV for t in targets})


def test_kernels_of_one_name_are_told_apart_by_more_of_it(loaded, tmp_path):
    arch, _ = loaded["gpt2"]
    said = {}
    for targets in (("output",), ("down",), ("output", "down")):
        folder = tmp_path / targets[0] / str(len(targets))
        peft.save(folder, arch, lora.init(jax.random.key(0), arch, 2, targets), 2, 4.0, "gpt2")
        config = json.loads((folder / "adapter_config.json").read_text())
        said[targets] = config["target_modules"]
        assert set(peft.load(folder, arch)[0]["layers"]["0"]) == set(targets)
    assert list(said.values()) == [["attn.c_proj"], ["mlp.c_proj"], ["c_proj"]]


def test_more_tokens_than_a_model_has_positions_are_refused(loaded):
    arch, params = loaded["gpt2"]
    tokens = jnp.zeros((1, arch.n_positions + 1), jnp.int32)
    with pytest.raises(LabError, match="65 tokens are more than the model's 64; take shorter"):
        transformer.forward(params, arch, tokens, jnp.zeros(1, jnp.int32))


def test_what_a_family_cannot_say_is_not_written(loaded, tmp_path):
    arch, params = loaded["qwen2_tied"]
    for changes in ({"qkv_bias": False}, {"parallel": True}, {"activation": "gelu"}):
        (field,) = changes
        with pytest.raises(LabError, match=rf"^{field}: qwen2 files cannot say .*; set it to"):
            hf.save(tmp_path / "new", dataclasses.replace(arch, **changes), params)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"d_rotary": 3}, "d_rotary"),
        ({"d_rotary": 6}, "d_rotary"),
        ({"local_layers": (0,)}, "window"),
        ({"family": "gpt9"}, "family: there is no 'gpt9'"),
        ({"qk_norm": True}, "family: qwen2 has no query_norm"),
        ({"learned_positions": True}, "family: qwen2 has no positions"),
    ],
)
def test_features_that_do_not_fit_are_refused_by_name(changes, word):
    size = {"d_model": 8, "n_layers": 1, "n_heads": 2, "n_kv_heads": 2, "d_head": 4}
    with pytest.raises(LabError, match=f"^{word}"):
        spec.parameters(Architecture(**size, d_hidden=8, n_tokens=9, **changes))


def test_llama3_keeps_fast_frequencies_and_slows_slow_ones():
    scaling = Scaling("llama3", 8.0, 1.0, 4.0, 32)
    tokens = 2 * np.pi / np.array([4.0, 16.0, 64.0])  # of waves of 4, 16 and 64 tokens
    found = scaling(jnp.asarray(tokens)) / tokens
    # 32 / 16 = 2 waves: a third of the way from 1 to 4.
    np.testing.assert_allclose(found, [1, 1 / 3 + 2 / 3 / 8, 1 / 8], rtol=1e-6)
    cos, _ = rotary(100.0, 4, jnp.array([[3]]), Scaling("linear", 2.0))
    np.testing.assert_allclose(cos[0, 0, 0], np.cos([1.5, 0.15, 1.5, 0.15]), rtol=1e-6)
