"""Low-rank adapters as folders that `peft` reads and writes, without torch."""

from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree
from msgspec import Meta

from lab.errors import LabError
from lab.lm import spec
from lab.lm.hf import AGAIN
from lab.lm.model import Architecture
from lab.runs import records, tensors
from lab.runs.saving import saving

_ADAPTER, _CONFIG = "adapter_model.safetensors", "adapter_config.json"
_FACTORS = {"in": "lora_A", "out": "lora_B"}


class Config(TypedDict):
    """What we use of an adapter_config.json."""

    peft_type: str
    r: Annotated[int, Meta(ge=1, le=2**20)]
    lora_alpha: Annotated[float, Meta(ge=-1e12, le=1e12)]
    use_dora: NotRequired[Any]
    use_rslora: NotRequired[Any]
    rank_pattern: NotRequired[Any]


def _name(p: spec.Parameter, factor: str) -> str:
    return f"base_model.model.{p.name.removesuffix('weight')}{_FACTORS[factor]}.weight"


def save(
    folder: Path, arch: Architecture, adapter: PyTree, rank: int, alpha: float, base: str
) -> None:
    """Write an adapter as `peft` reads it; `base` names the model it belongs to.

    Raises `LabError` if it cannot be written.
    """
    arrays = {}
    for p in spec.targets(arch):
        for factor in _FACTORS:
            array = np.asarray(spec.at(adapter, (*p.path[:-1], factor)))
            arrays[_name(p, factor)] = array.T
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted({p.name.split(".")[-2] for p in spec.targets(arch)}),
    }
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tensors.write(folder / _ADAPTER, arrays, {"format": "pt"})
        records.write(folder / _CONFIG, config)


def load(folder: Path, arch: Architecture) -> tuple[PyTree, float]:
    """An adapter of a model of this architecture by `peft` or `save`, and its scale, alpha / r.

    Raises `LabError` for missing or damaged files and for kinds of adapter other than plain LoRA.
    """
    config = records.read(folder / _CONFIG, Config, AGAIN)
    odd = [name for name in ("use_dora", "use_rslora", "rank_pattern") if config.get(name)]
    if config.get("peft_type") != "LORA" or odd:
        raise LabError(f"{folder / _CONFIG}: only plain LoRA is supported; {odd}")
    shapes = {}
    for p in spec.targets(arch):
        d_in, d_out = p.shape
        shapes |= {_name(p, "in"): (config["r"], d_in), _name(p, "out"): (d_out, config["r"])}
    found = tensors.read(folder / _ADAPTER, f"fetch it and {_CONFIG} again", shapes)
    arrays = {}
    for p in spec.targets(arch):
        for factor in _FACTORS:
            array = found[_name(p, factor)].astype(np.float32)
            arrays[(*p.path[:-1], factor)] = jnp.asarray(array.T)
    return spec.build(arrays), config["lora_alpha"] / config["r"]
