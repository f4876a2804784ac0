"""An adapter is plain LoRA of its base, or refused by name."""

import json

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.lm import hf, lora, peft
from lab.lm.model import Architecture
from lab.runs import tensors
from tests.folders import ADAPTER, ANY, FIXTURES, config_of, ones, refused


def adapter(folder, changes=None, **arrays):
    config = config_of("qwen2_lora", ADAPTER) | (changes or {})
    (folder / ADAPTER).write_text(json.dumps(config))
    found = tensors.read(FIXTURES / "qwen2_lora" / "adapter_model.safetensors", "") | arrays
    found = {name: array for name, array in found.items() if array is not None}
    tensors.write(folder / "adapter_model.safetensors", found)
    return lambda: peft.load(folder, hf.architecture(FIXTURES / "qwen2_tied"))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"peft_type": "LOHA"}, "peft_type"),
        ({"peft_type": None}, "peft_type"),
        ({"task_type": "SEQ_CLS"}, "task_type"),
        ({"alpha_pattern": {"q_proj": 32}}, "alpha_pattern"),
        ({"rank_pattern": {"q_proj": 2}}, "rank_pattern"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out"),
        ({"bias": "all"}, "bias"),
        ({"lora_bias": True}, "lora_bias"),
        ({"use_dora": True}, "use_dora"),
        ({"use_rslora": True}, "use_rslora"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights"),
        ({"loftq_config": {"loftq_bits": 4}}, "loftq_config"),
        ({"layers_to_transform": [0]}, "layers_to_transform"),
        ({"layers_to_transform": 0}, "layers_to_transform"),
        ({"layer_replication": [[0, 1]]}, "layer_replication"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices"),
        ({"target_parameters": ["x"]}, "target_parameters"),
        ({"target_modules": ".*proj"}, "target_modules"),
        ({"target_modules": ["q_proj", "lm_head"]}, "lm_head"),
        ({"target_modules": []}, "target_modules"),
        ({"target_modules": None}, "target_modules"),
        ({"target_modules": ["q_proj", "v_proj"]}, "does not speak of"),
        ({"r": 8}, "shape"),
        ({"r": 0}, "r 0"),
        ({"r": 4.5}, "r 4.5"),
        ({"lora_alpha": "8"}, "lora_alpha"),
        ({"lora_dropout": 2.0}, "lora_dropout"),
        ({"a_new_kind": None}, "a_new_kind"),
    ],
)
def test_an_adapter_that_is_not_plain_lora_is_refused_by_name(changes, word, tmp_path):
    refused(adapter(tmp_path, changes), word)


LORA_A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


@pytest.mark.parametrize(
    ("arrays", "word"),
    [
        ({LORA_A: None}, "lora_A"),
        ({LORA_A: ones(4, 33)}, "shape (4, 33)"),
        ({LORA_A: np.full((4, 32), np.nan, np.float32)}, "not finite"),
        ({"base_model.model.lm_head.weight": ones(97, 32)}, "lm_head"),
        ({LORA_A.replace("lora_A", "lora_magnitude_vector"): ones(32)}, "magnitude"),
        ({LORA_A.replace("layers.0", "layers.2"): ones(4, 32)}, "layers.2"),
    ],
)
def test_tensors_that_are_not_those_of_the_adapter_are_refused_by_name(arrays, word, tmp_path):
    refused(adapter(tmp_path, **arrays), word)


def test_a_pickled_adapter_is_refused_with_a_remedy(tmp_path):
    load = adapter(tmp_path)
    (tmp_path / "adapter_model.safetensors").rename(tmp_path / "adapter_model.bin")
    refused(load, "adapter_model.bin", "could run any code")


def test_an_adapter_of_another_base_is_refused(tmp_path):
    adapter(tmp_path)
    other = Architecture(
        n_tokens=97, d_model=16, n_layers=2, n_heads=4, n_kv_heads=2, d_head=8, d_hidden=48
    )
    refused(lambda: peft.load(tmp_path, other), "shape")


def test_an_adapter_may_stand_beside_some_kernels_only(tmp_path):
    every = tensors.read(FIXTURES / "qwen2_lora" / "adapter_model.safetensors", "")
    some = {k: v if "q_proj" in k or "v_proj" in k else None for k, v in every.items()}
    found, scale = adapter(tmp_path, {"target_modules": ["v_proj", "q_proj"]}, **some)()
    assert scale == 2.0
    assert [set(found["layers"][i]) for i in ("0", "1")] == 2 * [{"query", "value"}]
    arch, params = hf.load(FIXTURES / "qwen2_tied")
    merged = lora.merge(params, found, scale)["layers"]["1"]
    for part in ("query", "key"):
        same = np.array_equal(merged[part]["kernel"], params["layers"]["1"][part]["kernel"])
        assert same == (part == "key")
    peft.save(tmp_path / "again", arch, found, 4, 8.0, "qwen2_tied")
    again, _ = peft.load(tmp_path / "again", arch)
    jax.tree.map(np.testing.assert_array_equal, again, found)


@given(st.data())
def test_another_value_of_an_adapters_key_is_refused(tmp_path_factory, data):
    config, folder = config_of("qwen2_lora", ADAPTER), tmp_path_factory.getbasetemp()
    free = {*peft._METADATA, "lora_alpha", "init_lora_weights", "target_modules"}
    key = data.draw(st.sampled_from(sorted(set(config) - free)) | st.text(max_size=8))
    if key in free:
        return
    usual = config.get(key)
    value = data.draw(ANY.filter(lambda v: v and (type(v), v) != (type(usual), usual)))
    (folder / ADAPTER).write_text(json.dumps(config | {key: value}))
    arch = hf.architecture(FIXTURES / "qwen2_tied")
    if key == "r" and type(value) is int and value > 0:
        return  # another rank, which its tensors have or have not
    refused(lambda: peft._config(folder / ADAPTER, arch), key.splitlines()[0][:1] if key else "")
