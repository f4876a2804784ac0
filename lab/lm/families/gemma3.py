"""Gemma 3 of text: four norms a layer, normed queries and keys, most layers seeing a window."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from lab.lm.families import rope
from lab.lm.families.family import Family, Positions, Positive, Share, Size, layer_types
from lab.lm.families.llama import NAMES, sizes, written
from lab.lm.keys import Keys, agreed
from lab.lm.model import Architecture

_LAYER = "model.layers.{}."
_NAMES = NAMES | {
    "query_norm": _LAYER + "self_attn.q_norm",
    "key_norm": _LAYER + "self_attn.k_norm",
    "attention_post_norm": _LAYER + "post_attention_layernorm",
    "mlp_norm": _LAYER + "pre_feedforward_layernorm",
    "mlp_post_norm": _LAYER + "post_feedforward_layernorm",
}
_LOCAL, _FULL = "sliding_attention", "full_attention"
_Kind = Literal["sliding_attention", "full_attention"]


def _read(keys: Keys) -> Architecture:
    keys.only(
        {
            "hidden_activation": ("gelu_pytorch_tanh",),
            "hidden_act": ("gelu_pytorch_tanh",),  # its name before
            "attn_logit_softcapping": (None,),
            "final_logit_softcapping": (None,),
            "use_bidirectional_attention": (False, None),
        }
    )
    keys.ignore({"attention_dropout": Share})
    bias = keys.take("attention_bias", bool, False)
    if "head_dim" not in keys:  # it does not follow from the others
        raise keys.missing("head_dim")
    size = sizes(keys)
    local = _local(keys, size["n_layers"])
    return Architecture(
        **size,
        **_turned(keys),
        family="gemma3_text",
        n_positions=keys.take("max_position_embeddings", Positions),
        norm_offset=1.0,
        qk_norm=True,
        post_norms=True,
        activation="gelu_tanh",
        qkv_bias=bias,
        output_bias=bias,
        embed_scale=size["d_model"] ** 0.5,
        query_scale=keys.take("query_pre_attn_scalar", Positive) ** -0.5,
        local_layers=local,
        window=keys.take("sliding_window", Size),
        tied=keys.take("tie_word_embeddings", bool, True),
    )


def _local(keys: Keys, n_layers: int) -> tuple[int, ...]:
    """The layers that see a window: listed, or all but each sixth."""
    every = Annotated[int, Meta(ge=1, le=2**12)]
    names = ("sliding_window_pattern", "_sliding_window_pattern")
    period = agreed([(name, keys.take(name, every, None)) for name in names], keys.where)
    kinds = layer_types(keys, n_layers, _Kind)
    if kinds is None:
        period = 6 if period is None else period
        kinds = [_LOCAL if (i + 1) % period else _FULL for i in range(n_layers)]
    return tuple(i for i, kind in enumerate(kinds) if kind == _LOCAL)


def _turned(keys: Keys) -> dict[str, Any]:
    """The fields of RoPE: one for each kind of layer, in either dialect."""
    claims: dict[str, list[tuple[str, Any]]] = {_FULL: [], _LOCAL: []}
    theta = {_FULL: "rope_theta", _LOCAL: "rope_local_base_freq"}
    scalings = []
    if nested := keys.inner("rope_parameters"):
        for kind, found in claims.items():
            if inner := nested.inner(kind):
                said = rope.one(inner)
                if said.fraction not in (None, 1.0) or (kind == _LOCAL and said.scaling):
                    raise nested.refuse(kind, said._asdict())
                found.append((f"rope_parameters.{kind}", said.theta))
                scalings += [("rope_parameters", (said.scaling,))] if kind == _FULL else []
        nested.finish()
    if inner := keys.inner("rope_scaling"):
        said = rope.one(inner)
        claims[_FULL].append(("rope_scaling", said.theta))
        scalings.append(("rope_scaling", (said.scaling,)))
    for kind, name in theta.items():
        claims[kind].append((name, keys.take(name, Positive, None)))
    full, local = (agreed(claims[kind], keys.where) for kind in (_FULL, _LOCAL))
    scaling = agreed(scalings, keys.where)
    return {
        "rope_theta": 1e6 if full is None else full,
        "local_theta": 1e4 if local is None else local,
        "rope_scaling": scaling[0] if scaling else None,
    }


def _write(arch: Architecture) -> dict[str, Any]:
    scale = arch.d_head**-0.5 if arch.query_scale is None else arch.query_scale
    common = {name: value for name, value in written(arch).items() if name != "hidden_act"}
    kinds = [_LOCAL if i in arch.local_layers else _FULL for i in range(arch.n_layers)]
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        **common,
        "hidden_activation": "gelu_pytorch_tanh",
        "rope_local_base_freq": arch.local_theta,
        "rope_parameters": {
            _FULL: rope.write(arch.rope_theta, arch.rope_scaling),
            _LOCAL: rope.write(arch.local_theta, None),
        },
        "query_pre_attn_scalar": round(scale**-2),
        "sliding_window": arch.window,
        "layer_types": kinds,
        "attention_bias": arch.qkv_bias,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
        "dtype": "float32",
    }


GEMMA3 = Family("gemma3_text", ("Gemma3ForCausalLM",), _NAMES, _read, _write)
