"""Qwen2 and Qwen2.5: what models from scratch are too. Query, key and value have biases."""

from typing import Any, Literal

from lab.lm.families.family import Family, Positions, Share, Size, layer_types
from lab.lm.families.llama import NAMES, sizes, turned, written
from lab.lm.keys import Keys
from lab.lm.model import Architecture


def _read(keys: Keys) -> Architecture:
    keys.only({"hidden_act": ("silu", "swish"), "use_sliding_window": (False,)})
    # Without sliding windows nothing is said by their sizes.
    keys.ignore({"sliding_window": Size, "max_window_layers": int, "attention_dropout": Share})
    size = sizes(keys)
    layer_types(keys, size["n_layers"], Literal["full_attention"])
    return Architecture(
        **size,
        **turned(keys),
        n_positions=keys.take("max_position_embeddings", Positions, 32_768),
        tied=keys.take("tie_word_embeddings", bool, False),
    )


def _write(arch: Architecture) -> dict[str, Any]:
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        **written(arch),
        "use_sliding_window": False,
        "dtype": "float32",
    }


QWEN2 = Family("qwen2", ("Qwen2ForCausalLM",), NAMES, _read, _write)
