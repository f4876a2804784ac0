"""GPT-2: learned positions, centred norms, biases; query, key and value in one tensor."""

from typing import Any

from lab.lm.families.family import Epsilon, Family, Layers, Positions, Share, Size, d_head
from lab.lm.keys import Keys
from lab.lm.model import Activation, Architecture

_LAYER = "transformer.h.{}."
NAMES = {
    "embed": "transformer.wte",
    "positions": "transformer.wpe",
    "norm": "transformer.ln_f",
    "head": "lm_head",
    "attention_norm": _LAYER + "ln_1",
    **dict.fromkeys(("query", "key", "value"), _LAYER + "attn.c_attn"),
    "output": _LAYER + "attn.c_proj",
    "mlp_norm": _LAYER + "ln_2",
    "up": _LAYER + "mlp.c_fc",
    "down": _LAYER + "mlp.c_proj",
}
_ACTIVATIONS: dict[str, Activation] = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu": "gelu",
}


def _read(keys: Keys) -> Architecture:
    keys.only(
        {
            "scale_attn_weights": (True,),
            "scale_attn_by_inverse_layer_idx": (False,),
            "reorder_and_upcast_attn": (False, True),  # rounding alone
        }
    )
    keys.ignore(dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), Share))
    # Of another head, which is not in these files.
    for name in ("type", "use_proj", "activation", "proj_to_labels", "first_dropout"):
        keys.ignore({f"summary_{name}": str | bool | float})
    d_model, n_heads = keys.take("n_embd", Size), keys.take("n_head", Size)
    n_positions = keys.take("n_positions", Positions)
    if (n_ctx := keys.take("n_ctx", Positions, n_positions)) != n_positions:
        raise keys.refuse("n_ctx", n_ctx)
    activation = keys.take("activation_function", str, "gelu_new")
    if activation not in _ACTIVATIONS:
        raise keys.refuse("activation_function", activation)
    return Architecture(
        n_tokens=keys.take("vocab_size", Size),
        d_model=d_model,
        n_layers=keys.take("n_layer", Layers),
        n_heads=n_heads,
        n_kv_heads=n_heads,
        d_head=d_head(keys, d_model, n_heads, "n_head"),
        d_hidden=keys.take("n_inner", Size, 4 * d_model),
        family="gpt2",
        n_positions=n_positions,
        norm="layer",
        norm_eps=keys.take("layer_norm_epsilon", Epsilon, 1e-5),
        activation=_ACTIVATIONS[activation],
        gated=False,
        output_bias=True,
        mlp_bias=True,
        learned_positions=True,
        tied=keys.take("tie_word_embeddings", bool, True),
    )


def _write(arch: Architecture) -> dict[str, Any]:
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": arch.n_tokens,
        "n_positions": arch.n_positions,
        "n_embd": arch.d_model,
        "n_layer": arch.n_layers,
        "n_head": arch.n_heads,
        "n_inner": arch.d_hidden,
        "activation_function": "gelu" if arch.activation == "gelu" else "gelu_new",
        "layer_norm_epsilon": arch.norm_eps,
        "tie_word_embeddings": arch.tied,
        "bos_token_id": None,
        "eos_token_id": None,
        "dtype": "float32",
    }


GPT2 = Family(
    "gpt2",
    ("GPT2LMHeadModel",),
    NAMES,
    _read,
    _write,
    fused="parts",
    as_here=True,
    prefix="transformer.",
    buffers=r".*\.attn\.(masked_)?bias",  # the causal mask
)
