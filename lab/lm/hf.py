"""Checkpoints as Hugging Face folders of the Qwen2 architecture: config.json and safetensors.

Written and read without torch; kernels are [d_out d_in] there and [d_in d_out] here.
"""

from pathlib import Path
from typing import Annotated, NotRequired, TypedDict

import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree
from msgspec import Meta

from lab.errors import LabError
from lab.lm import spec, transformer
from lab.lm.model import Architecture
from lab.runs import records, tensors
from lab.runs.saving import saving

WEIGHTS, CONFIG = "model.safetensors", "config.json"
AGAIN = "fetch it again"

Size = Annotated[int, Meta(ge=1, le=2**20)]
Positive = Annotated[float, Meta(gt=0, le=1e12)]


class Rope(TypedDict):
    """How positions are turned."""

    rope_type: NotRequired[str]
    rope_theta: NotRequired[Positive]


class Config(TypedDict):
    """What we use of a config.json."""

    model_type: str
    vocab_size: Size
    hidden_size: Size
    num_hidden_layers: Annotated[int, Meta(ge=1, le=2**12)]
    num_attention_heads: Size
    num_key_value_heads: Size
    intermediate_size: Size
    rms_norm_eps: Positive
    head_dim: NotRequired[Size | None]
    rope_theta: NotRequired[Positive | None]
    rope_parameters: NotRequired[Rope | None]
    rope_scaling: NotRequired[Rope | None]
    use_sliding_window: NotRequired[bool]
    tie_word_embeddings: NotRequired[bool]


def save(folder: Path, arch: Architecture, params: PyTree, n_positions: int = 1024) -> None:
    """Write config.json and model.safetensors, which `transformers` opens as a Qwen2 model.

    Raises `LabError` if they cannot be written, and for an architecture that Qwen2 is not: without
    biases of q, k and v.
    """
    if not arch.qkv_bias:
        raise LabError("qkv_bias: Qwen2 has biases of query, key and value; set it to true")
    arrays = {}
    for p in spec.parameters(arch):
        array = np.asarray(spec.at(params, p.path))
        arrays[p.name] = array.T if p.transposed else array
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tensors.write(folder / WEIGHTS, arrays, {"format": "pt"})
        records.write(folder / CONFIG, _config(arch, n_positions))


def n_bytes(params: PyTree) -> int:
    """What a saved model takes, its tokenizer too."""
    return 4 * transformer.n_parameters(params) + 2**20


def load(folder: Path) -> tuple[Architecture, PyTree]:
    """The architecture and the parameters in a folder, as float32.

    Raises `LabError` for missing or damaged files, missing or misshapen tensors, and architectures
    other than Qwen2.
    """
    arch = architecture(folder)
    wanted = spec.parameters(arch)
    shapes = {p.name: p.shape[::-1] if p.transposed else p.shape for p in wanted}
    found = tensors.read(folder / WEIGHTS, f"fetch it and {CONFIG} again", shapes)
    arrays = {}
    for p in wanted:
        array = found.pop(p.name).astype(np.float32)
        arrays[p.path] = jnp.asarray(array.T if p.transposed else array)
    params = spec.build(arrays)
    spec.check(arch, params, str(folder / WEIGHTS))
    return arch, params


def architecture(folder: Path) -> Architecture:
    """The architecture that config.json describes, in the dialect of transformers 4 or 5."""
    config = records.read(folder / CONFIG, Config, AGAIN)
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    unknown = None
    if config["model_type"] != "qwen2":
        unknown = f"model_type {config['model_type']!r}"
    elif rope.get("rope_type", "default") != "default":
        unknown = f"rope_type {rope['rope_type']!r}"
    elif config.get("use_sliding_window"):
        unknown = "use_sliding_window"
    if unknown:
        raise LabError(f"{folder / CONFIG}: {unknown} is not supported; use a Qwen2 model")
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
