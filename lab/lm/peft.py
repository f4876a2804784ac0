"""Low-rank adapters as folders that `peft` reads and writes, without torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree
from msgspec import Meta

from lab.errors import LabError
from lab.lm import families, fused, spec, weights
from lab.lm.families.family import Share
from lab.lm.hf import AGAIN, Dtype
from lab.lm.keys import Keys
from lab.lm.model import Architecture
from lab.runs import records, tensors
from lab.runs.saving import saving

_ADAPTER, _CONFIG = "adapter_model.safetensors", "adapter_config.json"
_FACTORS = {"in": "lora_A", "out": "lora_B"}


# Keys that say nothing of what an adapter adds, at any value of their kind: how it was trained.
_METADATA: dict[str, Any] = {
    **dict.fromkeys(("base_model_name_or_path", "revision", "peft_version", "megatron_core"), str),
    "auto_mapping": dict[str, Any],
    "inference_mode": bool,
    "lora_dropout": Share,
    "qalora_group_size": int,
    "runtime_config": dict[str, Any],
    "task_type": Literal["CAUSAL_LM"],
}
# Keys of plain LoRA at these values alone. Other starts of its weights change the base as well.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("alpha_pattern", "rank_pattern", "loftq_config"), ({}, None)),
    **dict.fromkeys(("modules_to_save", "layers_pattern", "exclude_modules"), (None, [])),
    **dict.fromkeys(("layers_to_transform", "layer_replication", "target_parameters"), (None,)),
    **dict.fromkeys(("trainable_token_indices", "alora_invocation_tokens"), (None,)),
    **dict.fromkeys(("megatron_config", "arrow_config", "eva_config", "corda_config"), (None,)),
    **dict.fromkeys(("kasa_config", "lora_ga_config", "monteclora_config"), (None,)),
    **dict.fromkeys(("velora_config", "use_bdlora"), (None,)),
    **dict.fromkeys(("use_dora", "use_rslora", "use_qalora", "lora_bias"), (False,)),
    "ensure_weight_tying": (False,),
    "bias": ("none",),
    "init_lora_weights": (True, False, "gaussian", "orthogonal"),
}


class Config(NamedTuple):
    """What we use of an adapter_config.json."""

    rank: int
    alpha: float
    modules: list[str]


def _name(p: spec.Parameter, factor: str) -> str:
    return f"base_model.model.{_module(p)}.{_FACTORS[factor]}.weight"


def _module(p: spec.Parameter) -> str:
    return p.name.removesuffix(".weight")


def _is_named(p: spec.Parameter, name: str) -> bool:
    """Whether `target_modules` with this name means the kernel: an end of its module's path."""
    return f".{_module(p)}".endswith(f".{name}")


def _target(p: spec.Parameter, chosen: Mapping[str, Any], arch: Architecture) -> str:
    """The shortest such name of it that means nothing but what is chosen."""
    path = _module(p).split(".")
    ends = (".".join(path[i:]) for i in reversed(range(len(path))))
    means_others = lambda end: any(
        _is_named(other, end) and other.name not in chosen for other in spec.targets(arch)
    )
    return next(end for end in ends if not means_others(end))


def save(
    folder: Path,
    arch: Architecture,
    adapter: PyTree,
    rank: int,
    alpha: float,
    base: str,
    dtype: Dtype = "float32",
) -> None:
    """Write an adapter as `peft` reads it; `base` names the model it belongs to.

    Beside a tensor that holds query, key and value stands one adapter for all three. It has the sum
    of their ranks, and with it every other: a rank for all is what is read everywhere. What the
    others lack is filled with zeros, and alpha grows as the rank does.

    Raises `LabError` if it cannot be written.
    """
    chosen: dict[str, list[spec.Parameter]] = {}
    for p in spec.targets(arch):
        if p.path[-2] in adapter["layers"].get(p.path[-3], ()):
            chosen.setdefault(p.name, []).append(p)
    n, arrays = max(map(len, chosen.values())), {}
    for parts in chosen.values():
        for factor, array in _beside(parts, arch, adapter, n * rank).items():
            arrays[_name(parts[0], factor)] = array.T.astype(np.dtype(dtype), copy=False)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": n * rank,
        "lora_alpha": n * alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": families.of(arch.family).as_here,
        "target_modules": sorted({_target(p, chosen, arch) for p, *_ in chosen.values()}),
    }
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tensors.write(folder / _ADAPTER, arrays, {"format": "pt"})
        records.write(folder / _CONFIG, config)


def _beside(
    parts: list[spec.Parameter], arch: Architecture, adapter: PyTree, rank: int
) -> dict[str, np.ndarray]:
    """Factors [d_in r] and [r d_out] beside one tensor of a file, of the adapters of its parts."""
    d_in, d_out = parts[0].shape
    before, after = np.zeros((d_in, rank), np.float32), np.zeros((3, rank, d_out), np.float32)
    for i, p in enumerate(parts):
        a, b = (np.asarray(spec.at(adapter, (*p.path[:-1], factor))) for factor in _FACTORS)
        own = slice(i * len(b), (i + 1) * len(b))
        before[:, own], after[p.fused or 0, own] = a, b
    if parts[0].fused is None:
        return {"in": before, "out": after[0]}
    layout = families.of(arch.family).fused
    return {"in": before, "out": fused.join(list(after), layout, arch.n_heads)}


def load(folder: Path, arch: Architecture) -> tuple[PyTree, float]:
    """An adapter of a model of this architecture by `peft` or `save`, and its scale, alpha / r.

    It may stand beside some of the kernels only. Raises `LabError` for missing or damaged files,
    for kinds of adapter other than plain LoRA, and for one that does not fit the architecture.
    """
    config, path = _config(folder / _CONFIG, arch), folder / _ADAPTER
    again = f"fetch it and {_CONFIG} again"
    if not path.exists():
        weights.refuse_pickles(folder)
    chosen = [p for p in spec.targets(arch) if any(_is_named(p, m) for m in config.modules)]
    shapes: dict[str, tuple[int, ...]] = {}
    for p in chosen:
        (d_in, d_out), n_parts = p.shape, 1 if p.fused is None else 3
        shapes[_name(p, "in")] = (config.rank, d_in)
        shapes[_name(p, "out")] = (n_parts * d_out, config.rank)
    for name in tensors.names(path, again):
        if name not in shapes:
            raise LabError(f"{path} has {name}, which {_CONFIG} does not speak of; {again}")
    found = tensors.read(path, again, shapes)
    arrays = {}
    for p in chosen:
        for factor in _FACTORS:
            array = found[_name(p, factor)].astype(np.float32).T
            if factor == "out" and p.fused is not None:
                layout = families.of(arch.family).fused
                array = fused.split(array, layout, arch.n_heads)[p.fused]
            arrays[(*p.path[:-1], factor)] = jnp.asarray(array)
    return spec.build(arrays), config.alpha / config.rank


def _config(path: Path, arch: Architecture) -> Config:
    values = records.read(path, dict[str, Any], AGAIN)
    keys = Keys(values, str(path), "only plain LoRA is; merge it into its base with peft")
    keys.take("peft_type", Literal["LORA"])
    keys.ignore(_METADATA)
    keys.only(_NEUTRAL)
    # PEFT says so of kernels that stand in the file as here.
    keys.only({"fan_in_fan_out": (False, True) if families.of(arch.family).as_here else (False,)})
    config = Config(
        keys.take("r", Annotated[int, Meta(ge=1, le=2**20)]),
        keys.take("lora_alpha", Annotated[float, Meta(ge=-1e12, le=1e12)]),
        keys.take("target_modules", Annotated[list[str], Meta(min_length=1)]),
    )
    keys.finish()
    for module in config.modules:
        if not any(_is_named(p, module) for p in spec.targets(arch)):
            raise keys.refuse("target_modules", module)
    return config
