"""GPT-NeoX, Pythia: attention beside the MLP, part of a head turned, one tensor head by head."""

from typing import Any

from lab.lm.families import rope
from lab.lm.families.family import Epsilon, Family, Layers, Positions, Share, Size, d_head
from lab.lm.keys import Keys
from lab.lm.model import Activation, Architecture

_LAYER = "gpt_neox.layers.{}."
NAMES = {
    "embed": "gpt_neox.embed_in",
    "norm": "gpt_neox.final_layer_norm",
    "head": "embed_out",
    "attention_norm": _LAYER + "input_layernorm",
    **dict.fromkeys(("query", "key", "value"), _LAYER + "attention.query_key_value"),
    "output": _LAYER + "attention.dense",
    "mlp_norm": _LAYER + "post_attention_layernorm",
    "up": _LAYER + "mlp.dense_h_to_4h",
    "down": _LAYER + "mlp.dense_4h_to_h",
}
_ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}


def _read(keys: Keys) -> Architecture:
    dropouts = ("attention_dropout", "hidden_dropout", "classifier_dropout")
    keys.ignore(dict.fromkeys(dropouts, Share))
    d_model, n_heads = keys.take("hidden_size", Size), keys.take("num_attention_heads", Size)
    activation = keys.take("hidden_act", str, "gelu")
    if activation not in _ACTIVATIONS:
        raise keys.refuse("hidden_act", activation)
    found = rope.read(keys, keys.where, "rotary_emb_base", "rotary_pct")
    head = d_head(keys, d_model, n_heads)
    n_turned = int(head * (0.25 if found.fraction is None else found.fraction))
    if n_turned < 2 or n_turned % 2:
        raise keys.refuse("rotary_pct", found.fraction)
    attention_bias = keys.take("attention_bias", bool, True)
    return Architecture(
        n_tokens=keys.take("vocab_size", Size),
        d_model=d_model,
        n_layers=keys.take("num_hidden_layers", Layers),
        n_heads=n_heads,
        n_kv_heads=n_heads,
        d_head=head,
        d_hidden=keys.take("intermediate_size", Size),
        family="gpt_neox",
        n_positions=keys.take("max_position_embeddings", Positions, 2048),
        norm="layer",
        norm_eps=keys.take("layer_norm_eps", Epsilon, 1e-5),
        parallel=keys.take("use_parallel_residual", bool, True),
        activation=_ACTIVATIONS[activation],
        gated=False,
        qkv_bias=attention_bias,
        output_bias=attention_bias,
        mlp_bias=True,
        rope_theta=1e4 if found.theta is None else found.theta,
        rope_scaling=found.scaling,
        d_rotary=n_turned,
        tied=keys.take("tie_word_embeddings", bool, False),
    )


def _write(arch: Architecture) -> dict[str, Any]:
    fraction = arch.n_turned / arch.d_head
    return {
        "architectures": ["GPTNeoXForCausalLM"],
        "model_type": "gpt_neox",
        "vocab_size": arch.n_tokens,
        "hidden_size": arch.d_model,
        "num_hidden_layers": arch.n_layers,
        "num_attention_heads": arch.n_heads,
        "intermediate_size": arch.d_hidden,
        "hidden_act": "gelu" if arch.activation == "gelu" else "gelu_new",
        "max_position_embeddings": arch.n_positions,
        "layer_norm_eps": arch.norm_eps,
        "rotary_emb_base": arch.rope_theta,
        "rotary_pct": fraction,
        **rope.both(arch.rope_theta, arch.rope_scaling, partial_rotary_factor=fraction),
        "use_parallel_residual": arch.parallel,
        "attention_bias": arch.qkv_bias,
        "tie_word_embeddings": arch.tied,
        "bos_token_id": None,
        "eos_token_id": None,
        "dtype": "float32",
    }


GPT_NEOX = Family(
    "gpt_neox",
    ("GPTNeoXForCausalLM",),
    NAMES,
    _read,
    _write,
    fused="heads",
    # The causal mask, and the frequencies of RoPE.
    buffers=r".*\.attention\.((masked_)?bias|rotary_emb\.inv_freq)",
)
