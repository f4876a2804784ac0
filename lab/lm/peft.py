"""Low-rank adapters as folders that `peft` reads and writes, without torch."""

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

_ADAPTER = "adapter_model.safetensors"
_FACTORS = {"in": "lora_A", "out": "lora_B"}


def _name(p: spec.Parameter, factor: str) -> str:
    return f"base_model.model.{p.name.removesuffix('weight')}{_FACTORS[factor]}.weight"


def save(
    folder: Path, arch: Architecture, adapter: PyTree, rank: int, alpha: float, base: str
) -> None:
    """Write an adapter as `peft` reads it; `base` names the model it belongs to."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for p in spec.targets(arch):
        for factor in _FACTORS:
            array = np.asarray(spec.at(adapter, (*p.path[:-1], factor)))
            arrays[_name(p, factor)] = np.ascontiguousarray(array.T)
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
        "target_modules": sorted({p.name.split(".")[-2] for p in spec.targets(arch)}),
    }
    write_json(folder / "adapter_config.json", config)


def load(folder: Path, arch: Architecture) -> tuple[PyTree, float]:
    """An adapter of a model of this architecture by `peft` or `save`, and its scale, alpha / r.

    Raises `LabError` for missing or damaged files and for kinds of adapter other than plain LoRA.
    """
    config = read_json(folder / "adapter_config.json")
    odd = [name for name in ("use_dora", "use_rslora", "rank_pattern") if config.get(name)]
    if config.get("peft_type") != "LORA" or odd:
        raise LabError(f"{folder / 'adapter_config.json'}: only plain LoRA is supported; {odd}")
    arrays = {}
    try:
        with safetensors.safe_open(folder / _ADAPTER, "numpy") as file:
            for p in spec.targets(arch):
                for factor in _FACTORS:
                    array = file.get_tensor(_name(p, factor)).astype(np.float32)
                    arrays[(*p.path[:-1], factor)] = jnp.asarray(array.T)
    except (OSError, safetensors.SafetensorError) as error:
        raise LabError(f"{folder / _ADAPTER} cannot be read ({error}); fetch it again") from error
    return spec.build(arrays), config["lora_alpha"] / config["r"]
