"""Llama 1 to 3 of text: no biases unless a file says so, and Llama 3's RoPE."""

from typing import Any

from lab.lm.families import rope
from lab.lm.families.family import Epsilon, Family, Layers, Positions, Share, Size, d_head
from lab.lm.keys import Keys
from lab.lm.model import Architecture

_LAYER = "model.layers.{}."
NAMES = {
    "embed": "model.embed_tokens",
    "norm": "model.norm",
    "head": "lm_head",
    "attention_norm": _LAYER + "input_layernorm",
    "query": _LAYER + "self_attn.q_proj",
    "key": _LAYER + "self_attn.k_proj",
    "value": _LAYER + "self_attn.v_proj",
    "output": _LAYER + "self_attn.o_proj",
    "mlp_norm": _LAYER + "post_attention_layernorm",
    "gate": _LAYER + "mlp.gate_proj",
    "up": _LAYER + "mlp.up_proj",
    "down": _LAYER + "mlp.down_proj",
}


def sizes(keys: Keys) -> dict[str, Any]:
    """The fields that Llama and its kin name alike."""
    d_model, n_heads = keys.take("hidden_size", Size), keys.take("num_attention_heads", Size)
    given = keys.take("head_dim", Size, None)
    return {
        "n_tokens": keys.take("vocab_size", Size),
        "d_model": d_model,
        "n_layers": keys.take("num_hidden_layers", Layers),
        "n_heads": n_heads,
        "n_kv_heads": keys.take("num_key_value_heads", Size, n_heads),
        "d_head": given or d_head(keys, d_model, n_heads),
        "d_hidden": keys.take("intermediate_size", Size),
        "norm_eps": keys.take("rms_norm_eps", Epsilon),
    }


def turned(keys: Keys) -> dict[str, Any]:
    """The fields of RoPE, which turns whole heads."""
    found = rope.read(keys, keys.where)
    if found.fraction not in (None, 1.0):
        raise keys.refuse("partial_rotary_factor", found.fraction)
    return {
        "rope_theta": 1e4 if found.theta is None else found.theta,
        "rope_scaling": found.scaling,
    }


def _read(keys: Keys) -> Architecture:
    keys.only({"hidden_act": ("silu", "swish"), "pretraining_tp": (1,)})
    keys.ignore({"attention_dropout": Share})
    attention_bias = keys.take("attention_bias", bool, False)
    return Architecture(
        **sizes(keys),
        **turned(keys),
        family="llama",
        n_positions=keys.take("max_position_embeddings", Positions, 2048),
        qkv_bias=attention_bias,
        output_bias=attention_bias,
        mlp_bias=keys.take("mlp_bias", bool, False),
        tied=keys.take("tie_word_embeddings", bool, False),
    )


def _write(arch: Architecture) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **written(arch),
        "attention_bias": arch.qkv_bias,
        "mlp_bias": arch.mlp_bias,
        "bos_token_id": None,
        "eos_token_id": None,
        "dtype": "float32",
    }


def written(arch: Architecture) -> dict[str, Any]:
    """The keys of `sizes` and `turned`, in the dialects of transformers 4 and 5 at once."""
    return {
        "vocab_size": arch.n_tokens,
        "hidden_size": arch.d_model,
        "num_hidden_layers": arch.n_layers,
        "num_attention_heads": arch.n_heads,
        "num_key_value_heads": arch.n_kv_heads,
        "head_dim": arch.d_head,
        "intermediate_size": arch.d_hidden,
        "hidden_act": "silu",
        "max_position_embeddings": arch.n_positions,
        "rms_norm_eps": arch.norm_eps,
        "rope_theta": arch.rope_theta,
        **rope.both(arch.rope_theta, arch.rope_scaling),
        "tie_word_embeddings": arch.tied,
    }


# Files of the first Llamas hold the frequencies of RoPE.
LLAMA = Family(
    "llama", ("LlamaForCausalLM",), NAMES, _read, _write, buffers=r".*\.rotary_emb\.inv_freq"
)
