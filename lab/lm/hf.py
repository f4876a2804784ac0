"""Checkpoints as Hugging Face folders of the Qwen2 architecture: config.json and safetensors.

Written and read without torch; kernels are [d_out d_in] there and [d_in d_out] here.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import PyTree

from lab.errors import LabError
from lab.lm import spec
from lab.lm.model import Architecture
from lab.runs.results import read_json, write_json

WEIGHTS = "model.safetensors"


def save(folder: Path, arch: Architecture, params: PyTree, n_positions: int = 1024) -> None:
    """Write config.json and model.safetensors, which `transformers` opens as a Qwen2 model.

    Raises `LabError` for an architecture that Qwen2 is not: without biases of q, k and v.
    """
    if not arch.qkv_bias:
        raise LabError("qkv_bias: Qwen2 has biases of query, key and value; set it to true")
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for p in spec.parameters(arch):
        array = np.asarray(spec.at(params, p.path))
        # safetensors 0.8.0 writes wrong bytes for arrays that are not contiguous.
        arrays[p.name] = np.ascontiguousarray(array.T if p.transposed else array)
    part = folder / (WEIGHTS + ".part")
    safetensors.numpy.save_file(arrays, part, {"format": "pt"})
    part.replace(folder / WEIGHTS)
    write_json(folder / "config.json", _config(arch, n_positions))


def load(folder: Path) -> tuple[Architecture, PyTree]:
    """The architecture and the parameters in a folder, as float32.

    Raises `LabError` for missing or damaged files, missing or misshapen tensors, and architectures
    other than Qwen2.
    """
    arch = architecture(folder)
    arrays = {}
    try:
        with safetensors.safe_open(folder / WEIGHTS, "numpy") as file:
            for p in spec.parameters(arch):
                array = file.get_tensor(p.name).astype(np.float32)
                arrays[p.path] = jnp.asarray(array.T if p.transposed else array)
    except (OSError, safetensors.SafetensorError) as error:
        raise LabError(f"{folder / WEIGHTS} cannot be read ({error}); fetch it again") from error
    params = spec.build(arrays)
    spec.check(arch, params, str(folder / WEIGHTS))
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
