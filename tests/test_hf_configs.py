"""A config.json is understood to its last key, or refused by name."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import LabError
from lab.lm import hf
from lab.lm.families.family import METADATA, NEUTRAL
from lab.lm.rope import Scaling
from tests.folders import ANY, config_of, refused

NAMES = ("qwen2_tied", "llama_llama3", "llama_linear", "gpt2", "gpt_neox", "gemma3")
LLAMA3 = {
    "factor": 32.0,
    "high_freq_factor": 4.0,
    "low_freq_factor": 1.0,
    "original_max_position_embeddings": 8192,
    "rope_type": "llama3",
}


def architecture(folder, config):
    (folder / hf.CONFIG).write_text(json.dumps(config))
    return hf.architecture(folder)


# As they stand on the Hub.
QWEN = {
    "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
    "eos_token_id": 151645, "hidden_act": "silu", "hidden_size": 3584, "initializer_range": 0.02,
    "intermediate_size": 18944, "max_position_embeddings": 32768, "max_window_layers": 28,
    "model_type": "qwen2", "num_attention_heads": 28, "num_hidden_layers": 28,
    "num_key_value_heads": 4, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
    "sliding_window": 131072, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    "transformers_version": "4.43.1", "use_cache": True, "use_sliding_window": False,
    "vocab_size": 152064,
}  # fmt: skip
LLAMA = {
    "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
    "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009], "head_dim": 64,
    "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
    "intermediate_size": 8192, "max_position_embeddings": 131072, "mlp_bias": False,
    "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 16,
    "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": LLAMA3,
    "rope_theta": 500000.0, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
    "transformers_version": "4.45.0.dev0", "use_cache": True, "vocab_size": 128256,
}  # fmt: skip
GPT2 = {
    "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
    "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12,
    "n_layer": 12, "n_positions": 1024, "resid_pdrop": 0.1, "summary_activation": None,
    "summary_first_dropout": 0.1, "summary_proj_to_labels": True, "summary_type": "cls_index",
    "summary_use_proj": True, "vocab_size": 50257,
    "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
}  # fmt: skip
PYTHIA = {
    "architectures": ["GPTNeoXForCausalLM"], "bos_token_id": 0, "eos_token_id": 0,
    "hidden_act": "gelu", "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072,
    "layer_norm_eps": 1e-05, "max_position_embeddings": 2048, "model_type": "gpt_neox",
    "num_attention_heads": 12, "num_hidden_layers": 12, "rotary_emb_base": 10000,
    "rotary_pct": 0.25, "tie_word_embeddings": False, "torch_dtype": "float16",
    "transformers_version": "4.24.0", "use_cache": True, "use_parallel_residual": True,
    "vocab_size": 50304,
}  # fmt: skip
GEMMA = {
    "architectures": ["Gemma3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
    "attn_logit_softcapping": None, "bos_token_id": 2, "cache_implementation": "hybrid",
    "eos_token_id": [1, 106], "final_logit_softcapping": None, "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 1152, "initializer_range": 0.02,
    "intermediate_size": 6912, "max_position_embeddings": 32768, "model_type": "gemma3_text",
    "num_attention_heads": 4, "num_hidden_layers": 26, "num_key_value_heads": 1, "pad_token_id": 0,
    "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_local_base_freq": 10000,
    "rope_scaling": None, "rope_theta": 1000000, "sliding_window": 512,
    "sliding_window_pattern": 6, "torch_dtype": "bfloat16", "transformers_version": "4.50.0.dev0",
    "use_cache": True, "vocab_size": 262144,
}  # fmt: skip
ON_THE_HUB = {
    "qwen2": (QWEN, {"d_head": 128, "rope_theta": 1e6, "qkv_bias": True, "tied": False}),
    "llama": (LLAMA, {"rope_scaling": Scaling("llama3", 32.0), "qkv_bias": False, "tied": True}),
    "gpt2": (GPT2, {"d_hidden": 3072, "learned_positions": True, "gated": False, "tied": True}),
    "gpt_neox": (PYTHIA, {"d_rotary": 16, "parallel": True, "n_positions": 2048, "tied": False}),
    "gemma3_text": (GEMMA, {"window": 512, "local_theta": 1e4, "rope_theta": 1e6, "n_kv_heads": 1,
                            "local_layers": tuple(i for i in range(26) if i % 6 != 5)}),
}  # fmt: skip


@pytest.mark.parametrize("name", ON_THE_HUB)
def test_configs_of_the_hub_are_read(name, tmp_path):
    config, expected = ON_THE_HUB[name]
    arch = architecture(tmp_path, config)
    assert arch.family == name
    assert {field: getattr(arch, field) for field in expected} == expected


THETA = 1e4  # of the fixture
SAME = {
    "v4": {"rope_parameters": None, "rope_theta": THETA, "dtype": None, "torch_dtype": "float16"},
    "both": {"rope_theta": THETA, "rope_scaling": {"type": "default"}},
    "default": {"rope_parameters": None},
    "type": {"rope_parameters": {"type": "default", "rope_theta": THETA}},
    "types": {"rope_scaling": {"type": "default", "rope_type": "default"}},
    "swish": {"hidden_act": "swish"},
    "null": {"rope_scaling": None, "quantization_config": None, "head_dim": None},
    "unused window": {"sliding_window": 4096, "max_window_layers": 1, "use_sliding_window": False},
    "dropout": {"attention_dropout": 0.5},
    "metadata": {"_name_or_path": "x", "eos_token_id": [1, 2], "temperature": 0.7, "id2label": {}},
}


@pytest.mark.parametrize("name", SAME)
def test_dialects_and_neutral_values_are_the_same_architecture(name, tmp_path):
    config = config_of("qwen2_tied")
    same = architecture(tmp_path, config | SAME[name])
    assert same == architecture(tmp_path, config)


def test_both_dialects_of_scaled_rope_are_read(tmp_path):
    linear = {"rope_scaling": {"type": "linear", "factor": 4}, "rope_theta": 1e5}
    arch = architecture(tmp_path, QWEN | linear)
    assert (arch.rope_theta, arch.rope_scaling) == (1e5, Scaling("linear", 4.0))
    new = {"rope_parameters": LLAMA3 | {"rope_theta": 500000.0}, "rope_theta": None}
    old = architecture(tmp_path, LLAMA)
    assert architecture(tmp_path, LLAMA | {"rope_scaling": None} | new) == old
    assert architecture(tmp_path, LLAMA | new) == old  # both, which agree


NOT_QWEN2 = [
    ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
    ({"attention_bias": True}, "attention_bias"),
    ({"mlp_bias": False}, "mlp_bias"),
    ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "quantization_config"),
    ({"use_sliding_window": True}, "use_sliding_window"),
    ({"layer_types": ["full_attention", "sliding_attention"]}, "layer_types"),
    ({"layer_types": ["full_attention"]}, "layer_types"),
    ({"layer_types": []}, "layer_types"),
    ({"use_sliding_window": 0}, "use_sliding_window"),
    ({"chunk_size_feed_forward": False}, "chunk_size_feed_forward"),
    ({"auto_map": {"AutoModel": "modeling.X"}}, "auto_map"),
    ({"num_experts": 8}, "num_experts"),
    ({"a\nb": 1}, "a b 1 is not"),
    ({"vision_config": {}}, "vision_config"),
    ({"dtype": "float8_e4m3fn"}, "dtype"),
    ({"torch_dtype": "int8"}, "torch_dtype"),
    ({"attention_dropout": 1.5}, "attention_dropout"),
    ({"is_encoder_decoder": True}, "is_encoder_decoder"),
    ({"pruned_heads": {"0": [1]}}, "pruned_heads"),
    ({"architectures": ["Qwen2ForSequenceClassification"]}, "architectures"),
    ({"architectures": ["Qwen2ForCausalLM", "LlamaForCausalLM"]}, "architectures"),
    ({"architectures": []}, "architectures"),
    ({"architectures": "Qwen2ForCausalLM"}, "architectures"),
    ({"model_type": "qwen3"}, "model_type 'qwen3'"),
    ({"model_type": "Qwen2"}, "model_type"),
    ({"model_type": None}, "model_type is missing"),
    ({"model_type": ["qwen2"]}, "model_type"),
    ({"rope_scaling": {"type": "linear"}}, "factor"),
    ({"rope_scaling": {"type": "linear", "factor": 0.5}}, "factor"),
    ({"rope_scaling": {"type": "linear", "factor": "2"}}, "factor"),
    ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "disagree"),
    ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope_type 'dynamic'"),
    ({"rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]}}, "rope_type 'mrope'"),
    ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "rope_type 'yarn'"),
    ({"rope_scaling": {"rope_type": "default", "type": "linear"}}, "disagree"),
    ({"rope_scaling": {"mrope_section": [1, 1, 2]}}, "mrope_section"),
    ({"rope_scaling": {"type": "default", "factor": 2.0}}, "factor"),
    ({"rope_scaling": "linear"}, "rope_scaling"),
    ({"rope_scaling": {"type": "default", "rope_theta": 5.0}}, "rope_theta"),
    ({"rope_theta": 2e4}, "rope_theta"),
    ({"rope_theta": 0}, "rope_theta"),
    ({"rope_parameters": {"rope_theta": -1.0}}, "rope_theta"),
    ({"rope_parameters": {"rope_theta": True}}, "rope_theta"),
    ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor"),
    ({"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
    ({"rope_parameters": LLAMA3 | {"high_freq_factor": 1.0}}, "high_freq_factor"),
    ({"rope_parameters": LLAMA3 | {"original_max_position_embeddings": 0}}, "original_max"),
    ({"hidden_size": 0}, "hidden_size"),
    ({"hidden_size": -32}, "hidden_size"),
    ({"hidden_size": 2**40}, "hidden_size"),
    ({"hidden_size": "32"}, "hidden_size"),
    ({"hidden_size": 32.5}, "hidden_size"),
    ({"hidden_size": True}, "hidden_size"),
    ({"hidden_size": None}, "hidden_size is missing"),
    ({"hidden_size": 33}, "num_attention_heads"),
    ({"num_hidden_layers": 10**6}, "num_hidden_layers"),
    ({"num_key_value_heads": 3}, "n_kv_heads"),
    ({"head_dim": 7}, "d_head"),
    ({"vocab_size": 0}, "vocab_size"),
    ({"rms_norm_eps": 0.0}, "rms_norm_eps"),
    ({"rms_norm_eps": -1e-6}, "rms_norm_eps"),
    ({"rms_norm_eps": 10.0}, "rms_norm_eps"),
    ({"max_position_embeddings": 0}, "max_position_embeddings"),
    ({"tie_word_embeddings": "true"}, "tie_word_embeddings"),
    ({"eos_token_id": "x"}, "eos_token_id"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "word"), NOT_QWEN2)
def test_a_config_that_is_not_plain_qwen2_is_refused_by_name(changes, word, tmp_path):
    said = refused(lambda: architecture(tmp_path, config_of("qwen2_tied") | changes), word)
    assert said.startswith(str(tmp_path / hf.CONFIG))


NOT_OTHERS = [
    ("llama_llama3", {"hidden_act": "relu"}, "hidden_act"),
    ("llama_llama3", {"pretraining_tp": 2}, "pretraining_tp"),
    ("llama_llama3", {"sliding_window": 4}, "sliding_window"),
    ("llama_llama3", {"rope_theta": 5.0}, "disagree"),
    ("gpt2", {"scale_attn_weights": False}, "scale_attn_weights"),
    ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
    ("gpt2", {"add_cross_attention": True}, "add_cross_attention"),
    ("gpt2", {"activation_function": "relu"}, "activation_function"),
    ("gpt2", {"n_ctx": 32}, "n_ctx"),
    ("gpt2", {"n_head": 5}, "n_head"),
    ("gpt2", {"rope_theta": 1e4}, "rope_theta"),
    ("gpt_neox", {"rotary_pct": 0.25}, "disagree"),
    ("gpt_neox", {"rotary_emb_base": 500}, "disagree"),
    ("gpt_neox", {"rope_theta": 1e4}, "rope_theta"),
    ("gpt_neox", {"hidden_act": "silu"}, "hidden_act"),
    ("gpt_neox", {"rope_parameters": {"partial_rotary_factor": 0.1}}, "rotary_pct"),
    ("gemma3", {"final_logit_softcapping": 30.0}, "final_logit_softcapping"),
    ("gemma3", {"attn_logit_softcapping": 50.0}, "attn_logit_softcapping"),
    ("gemma3", {"use_bidirectional_attention": True}, "use_bidirectional_attention"),
    ("gemma3", {"hidden_activation": "gelu"}, "hidden_activation"),
    ("gemma3", {"layer_types": ["full_attention"]}, "layer_types"),
    ("gemma3", {"layer_types": ["full_attention", "chunked", "full_attention"]}, "layer_types"),
    ("gemma3", {"head_dim": None}, "head_dim is missing"),
    ("gemma3", {"sliding_window": None}, "sliding_window is missing"),
    ("gemma3", {"rope_local_base_freq": 5.0}, "disagree"),
    ("gemma3", {"rope_theta": 5.0}, "disagree"),
    ("gemma3", {"rope_scaling": {"type": "linear", "factor": 8.0}}, "disagree"),
    ("gemma3", {"rope_parameters": {"rope_theta": 1e4}}, "rope_theta"),
    ("gemma3", {"sliding_window_pattern": 2}, "disagree"),
    ("gemma3", {"model_type": "gemma3"}, "model_type 'gemma3'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "word"), NOT_OTHERS)
def test_a_config_that_is_not_plain_of_its_family_is_refused_by_name(name, changes, word, tmp_path):
    refused(lambda: architecture(tmp_path, config_of(name) | changes), word)


def test_a_local_layer_of_gemma_has_no_scaling(tmp_path):
    config = config_of("gemma3")
    config["rope_parameters"]["sliding_attention"] = {"rope_type": "linear", "factor": 2.0}
    refused(lambda: architecture(tmp_path, config), "sliding_attention")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", '{"model_type": "qwen2"', "\xff", '{"a": NaN}', '{"a": 1, "a": 2}'],
)
def test_what_is_no_json_object_is_refused(text, tmp_path):
    (tmp_path / hf.CONFIG).write_text(text, encoding="latin1")
    refused(lambda: hf.architecture(tmp_path), hf.CONFIG, "damaged")


# Keys that change nothing at any value of their kind, beside METADATA.
FREE = {
    *("attention_dropout", "hidden_dropout", "classifier_dropout"),
    *("attn_pdrop", "embd_pdrop", "resid_pdrop", "reorder_and_upcast_attn", "is_decoder"),
    *(f"summary_{x}" for x in ("type", "use_proj", "activation", "proj_to_labels")),
    *("summary_first_dropout", "max_window_layers", "_sliding_window_pattern"),
}


@given(st.sampled_from(NAMES), st.text(min_size=1, max_size=8), ANY)
def test_an_unknown_key_is_refused_whatever_it_says(tmp_path_factory, name, key, value):
    config = config_of(name)
    if key in config or key in METADATA or key in NEUTRAL:
        return
    refused(lambda: architecture(tmp_path_factory.getbasetemp(), config | {key: value}), key[:1])


@given(st.data(), st.sampled_from(NAMES))
def test_another_value_is_another_architecture_or_refused(tmp_path_factory, data, name):
    config, folder = config_of(name), tmp_path_factory.getbasetemp()
    known = [key for key in {**config, **NEUTRAL} if key not in FREE and key not in METADATA]
    key = data.draw(st.sampled_from(sorted(known)))
    usual = config.get(key, NEUTRAL.get(key, (None,))[0])
    value = data.draw(ANY.filter(lambda v: v is not None and (type(v), v) != (type(usual), usual)))
    if name == "qwen2_tied" and key == "sliding_window":
        return  # it is not used
    try:
        found = architecture(folder, config | {key: value})
    except LabError as error:
        assert len(str(error).splitlines()) == 1
    else:
        same = found == architecture(folder, config)
        assert not same or (key in NEUTRAL and value in NEUTRAL[key]), (key, value)
