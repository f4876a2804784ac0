"""Checkpoints as Hugging Face folders of the Qwen2 architecture: config.json and safetensors.

Written and read without torch; kernels are [d_out d_in] there and [d_in d_out] here.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import PyTree

from lab.errors import LabError
from lab.lm.architecture import Architecture
from lab.results import read_json, write_json

_WEIGHTS = "model.safetensors"
_NORMS = {
    "attention_norm": "input_layernorm",
    "mlp_norm": "post_attention_layernorm",
}
_PROJECTIONS = {
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "output": "self_attn.o_proj",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}
_ADAPTER = "adapter_model.safetensors"
_FACTORS = {"in": "lora_A", "out": "lora_B"}
_BIASED = ("query", "key", "value")


def save(folder: Path, arch: Architecture, params: PyTree, n_positions: int = 1024) -> None:
    """Write config.json and model.safetensors, which `transformers` opens as a Qwen2 model.

    Raises `LabError` for an architecture that Qwen2 is not: without biases of q, k and v.
    """
    if not arch.qkv_bias:
        raise LabError("qkv_bias: Qwen2 has biases of query, key and value; set it to true")
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for name, path, turned in _names(arch):
        array = np.asarray(_at(params, path))
        # safetensors 0.8.0 writes wrong bytes for arrays that are not contiguous.
        arrays[name] = np.ascontiguousarray(array.T if turned else array)
    part = folder / (_WEIGHTS + ".part")
    safetensors.numpy.save_file(arrays, part, {"format": "pt"})
    part.replace(folder / _WEIGHTS)
    write_json(folder / "config.json", _config(arch, n_positions))


def load(folder: Path) -> tuple[Architecture, PyTree]:
    """The architecture and the parameters in a folder, as float32.

    Raises `LabError` for missing or damaged files, missing or misshapen tensors, and architectures
    other than Qwen2.
    """
    arch = architecture(folder)
    params: dict = {}
    try:
        with safetensors.safe_open(folder / _WEIGHTS, "numpy") as file:
            for name, path, turned in _names(arch):
                array = file.get_tensor(name).astype(np.float32)
                _put(params, path, jnp.asarray(array.T if turned else array))
    except (OSError, safetensors.SafetensorError) as error:
        raise LabError(f"{folder / _WEIGHTS} cannot be read ({error}); fetch it again") from error
    wrong = [p for p, shape in _shapes(arch).items() if _at(params, p).shape != shape]
    if wrong:
        raise LabError(
            f"{folder / _WEIGHTS}: {'.'.join(wrong[0])} does not have the shape that config.json "
            "says; fetch both from the same place"
        )
    return arch, params


def architecture(folder: Path) -> Architecture:
    """The architecture that config.json describes, in the dialect of transformers 4 or 5."""
    config = read_json(folder / "config.json")
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    unknown = None
    if config.get("model_type") != "qwen2":
        unknown = f"model_type {config.get('model_type')!r}"
    elif rope.get("rope_type", "default") != "default":
        unknown = f"rope_type {rope['rope_type']!r}"
    elif config.get("use_sliding_window"):
        unknown = "use_sliding_window"
    if unknown:
        raise LabError(f"{folder / 'config.json'}: {unknown} is not supported; use a Qwen2 model")
    try:
        n_heads, d_model = config["num_attention_heads"], config["hidden_size"]
        return Architecture(
            n_tokens=config["vocab_size"],
            d_model=d_model,
            n_layers=config["num_hidden_layers"],
            n_heads=n_heads,
            n_kv_heads=config["num_key_value_heads"],
            d_head=config.get("head_dim") or d_model // n_heads,
            d_hidden=config["intermediate_size"],
            rope_theta=float(config.get("rope_theta") or rope.get("rope_theta", 10_000.0)),
            norm_eps=config["rms_norm_eps"],
            tied=config.get("tie_word_embeddings", False),
        )
    except KeyError as error:
        raise LabError(f"{folder / 'config.json'}: {error} is missing; fetch it again") from error


def _config(arch: Architecture, n_positions: int) -> dict:
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "vocab_size": arch.n_tokens,
        "hidden_size": arch.d_model,
        "num_hidden_layers": arch.n_layers,
        "num_attention_heads": arch.n_heads,
        "num_key_value_heads": arch.n_kv_heads,
        "head_dim": arch.d_head,
        "intermediate_size": arch.d_hidden,
        "hidden_act": "silu",
        "max_position_embeddings": n_positions,
        "rms_norm_eps": arch.norm_eps,
        "rope_theta": arch.rope_theta,
        "rope_parameters": {"rope_theta": arch.rope_theta, "rope_type": "default"},
        "tie_word_embeddings": arch.tied,
        "use_sliding_window": False,
        "dtype": "float32",
    }


def _names(arch: Architecture) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """(name in the file, path in our tree, whether it is stored the other way round)."""
    yield "model.embed_tokens.weight", ("embed",), False
    yield "model.norm.weight", ("norm",), False
    if not arch.tied:
        yield "lm_head.weight", ("head",), True
    for i in map(str, range(arch.n_layers)):
        for ours, theirs in _NORMS.items():
            yield f"model.layers.{i}.{theirs}.weight", ("layers", i, ours), False
        for ours, theirs in _PROJECTIONS.items():
            yield f"model.layers.{i}.{theirs}.weight", ("layers", i, ours, "kernel"), True
            if ours in _BIASED and arch.qkv_bias:
                yield f"model.layers.{i}.{theirs}.bias", ("layers", i, ours, "bias"), False


def _shapes(arch: Architecture) -> dict[tuple[str, ...], tuple[int, ...]]:
    d_query, d_key = arch.n_heads * arch.d_head, arch.n_kv_heads * arch.d_head
    d_model, d_hidden = arch.d_model, arch.d_hidden
    shapes: dict[tuple[str, ...], tuple[int, ...]] = {
        ("embed",): (arch.n_tokens, d_model),
        ("norm",): (d_model,),
    }
    if not arch.tied:
        shapes[("head",)] = (d_model, arch.n_tokens)
    kernels = {
        "query": (d_model, d_query),
        "key": (d_model, d_key),
        "value": (d_model, d_key),
        "output": (d_query, d_model),
        "gate": (d_model, d_hidden),
        "up": (d_model, d_hidden),
        "down": (d_hidden, d_model),
    }
    for i in map(str, range(arch.n_layers)):
        for name in _NORMS:
            shapes["layers", i, name] = (d_model,)
        for name, shape in kernels.items():
            shapes["layers", i, name, "kernel"] = shape
            if name in _BIASED and arch.qkv_bias:
                shapes["layers", i, name, "bias"] = shape[1:]
    return shapes


def _at(tree: PyTree, path: tuple[str, ...]):
    for name in path:
        tree = tree[name]
    return tree


def _put(tree: dict, path: tuple[str, ...], value) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value


def save_adapter(folder: Path, adapter: PyTree, rank: int, alpha: float, base: str) -> None:
    """Write an adapter as `peft` reads it; `base` names the model it belongs to."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for i, layer in adapter["layers"].items():
        for ours, theirs in _PROJECTIONS.items():
            for factor, name in _FACTORS.items():
                array = np.asarray(layer[ours][factor])
                key = f"base_model.model.model.layers.{i}.{theirs}.{name}.weight"
                arrays[key] = np.ascontiguousarray(array.T)
    part = folder / (_ADAPTER + ".part")
    safetensors.numpy.save_file(arrays, part, {"format": "pt"})
    part.replace(folder / _ADAPTER)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted(name.split(".")[-1] for name in _PROJECTIONS.values()),
    }
    write_json(folder / "adapter_config.json", config)


def load_adapter(folder: Path) -> tuple[PyTree, float]:
    """An adapter written by `peft` or `save_adapter`, and the scale of its product, alpha / r.

    Raises `LabError` for missing or damaged files and for kinds of adapter other than plain LoRA.
    """
    config = read_json(folder / "adapter_config.json")
    odd = [name for name in ("use_dora", "use_rslora", "rank_pattern") if config.get(name)]
    if config.get("peft_type") != "LORA" or odd:
        raise LabError(f"{folder / 'adapter_config.json'}: only plain LoRA is supported; {odd}")
    adapter: dict = {}
    try:
        with safetensors.safe_open(folder / _ADAPTER, "numpy") as file:
            names = list(file.keys())
            n_layers = 1 + max(int(re.findall(r"layers\.(\d+)\.", key)[0]) for key in names)
            for i in map(str, range(n_layers)):
                for ours, theirs in _PROJECTIONS.items():
                    for factor, name in _FACTORS.items():
                        key = f"base_model.model.model.layers.{i}.{theirs}.{name}.weight"
                        array = file.get_tensor(key).astype(np.float32)
                        _put(adapter, ("layers", i, ours, factor), jnp.asarray(array.T))
    except (OSError, safetensors.SafetensorError) as error:
        raise LabError(f"{folder / _ADAPTER} cannot be read ({error}); fetch it again") from error
    return adapter, config["lora_alpha"] / config["r"]
