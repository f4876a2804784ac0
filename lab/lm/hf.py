"""Checkpoints as Hugging Face folders, of any family in `lab.lm.families`: strictly, or not at all.

A config.json is accepted only if every key is used, or is known to change nothing at its value;
weights only if every tensor of the files is used, once. Written and read without torch; kernels are
[d_out d_in] there (but for GPT-2) and [d_in d_out] here.
"""

import dataclasses
import re
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, PyTree

from lab import hosts
from lab.errors import LabError
from lab.lm import families, fused, sharding, spec, transformer, weights
from lab.lm.families import FAMILIES
from lab.lm.families.family import METADATA, NEUTRAL
from lab.lm.keys import Keys
from lab.lm.model import Architecture
from lab.lm.spec import Parameter
from lab.lm.weights import WEIGHTS
from lab.runs import records, tensors
from lab.runs.saving import saving

CONFIG = "config.json"
AGAIN = "fetch it again"
_N_CHECKED = 8  # tokens that a loaded model must have finite logits for


Dtype = Literal["float32", "bfloat16"]


def save(folder: Path, arch: Architecture, params: PyTree, dtype: Dtype = "float32") -> None:
    """Write config.json and weights, which `transformers` opens as its family's model.

    The weights are shards from `weights.SHARD` bytes on; no more than one tensor is held.
    Raises `LabError` if they cannot be written, and for an architecture that the family is not: of
    Qwen2, one without biases of q, k and v.
    """
    config = families.of(arch.family).write(arch)
    again = _architecture(config, arch.family)
    for field in dataclasses.fields(arch):
        own, family = getattr(arch, field.name), getattr(again, field.name)
        if own != family:
            raise LabError(
                f"{field.name}: {arch.family} files cannot say {own}; set it to {family}"
            )
    kind = np.dtype(dtype)  # of ml_dtypes, which jax brings
    arrays = {
        name: tensors.Later(_shape(ps), kind, partial(_stored, arch, params, ps, kind))
        for name, ps in _by_name(arch).items()
    }
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
        weights.write(folder, arrays)
        records.write(folder / CONFIG, config | {"dtype": dtype})


def n_bytes(params: PyTree, dtype: Dtype = "float32") -> int:
    """What a saved model takes, its tokenizer too."""
    return np.dtype(dtype).itemsize * transformer.n_parameters(params) + 2**20


def load(folder: Path, own: bool = False) -> tuple[Architecture, PyTree]:
    """The architecture and the parameters in a folder, as float32.

    Raises `LabError` for missing or damaged files; for missing, misshapen and unknown tensors; for
    families and features that are not supported; and for a model without finite logits. That is
    not tried out with the lab's `own` models, which it knows by their checksums.
    """
    if (folder / "adapter_config.json").exists():
        raise LabError(f"{folder} holds an adapter; keep it in another folder than its base")
    arch = architecture(folder)
    params = _parameters(folder, arch)
    if not own and not np.isfinite(speak(arch, params)).all():
        raise LabError(f"{folder}: the model's logits are not finite; {AGAIN}")
    return arch, params


def architecture(folder: Path) -> Architecture:
    """The architecture that config.json describes, in the dialect of transformers 4 or 5.

    Raises `LabError`, which names the key, for one that is not known to be used or to be neutral.
    """
    path = folder / CONFIG
    return _architecture(records.read(path, dict[str, Any], AGAIN), str(path))


def _architecture(config: dict[str, Any], where: str) -> Architecture:
    keys = Keys(config, where, f"take a checkpoint of {', '.join(FAMILIES)}")
    name = keys.take("model_type", str)
    if name not in FAMILIES:
        raise keys.refuse("model_type", name)
    family, keys.remedy = FAMILIES[name], f"take a plain {name} checkpoint"
    classes = keys.take("architectures", list[str], list(family.architectures))
    if not set(classes) <= set(family.architectures) or not classes:
        raise LabError(
            f"{where}: architectures {classes} of model_type {name} is not supported; {keys.remedy}"
        )
    keys.ignore(METADATA)
    keys.only(NEUTRAL)
    try:
        arch = family.read(keys)
    except LabError as error:
        # What an architecture says of its fields: of which file they are.
        raise error if str(error).startswith(where) else LabError(f"{where}: {error}") from error
    keys.finish()
    return arch


def _by_name(arch: Architecture) -> dict[str, list[Parameter]]:
    """The tensors of a file, with the parameters in each: one, or query, key and value."""
    found: dict[str, list[Parameter]] = {}
    for p in spec.parameters(arch):
        found.setdefault(p.name, []).append(p)
    return found


def _stored(
    arch: Architecture, params: PyTree, parts: list[Parameter], dtype: np.dtype
) -> np.ndarray:
    # Copies: beside an array of an accelerator JAX keeps what was read of it.
    arrays = [np.asarray(spec.at(params, p.path).copy()) for p in parts]
    whole = arrays[0]
    if parts[0].fused is not None:
        whole = fused.join(arrays, families.of(arch.family).fused, arch.n_heads)
    return (whole.T if parts[0].transposed else whole).astype(dtype, copy=False)


def _shape(parts: list[Parameter]) -> tuple[int, ...]:
    *lead, n = parts[0].shape
    shape = (*lead, n * len(parts))
    return shape[::-1] if parts[0].transposed else shape


def _parameters(folder: Path, arch: Architecture) -> PyTree:
    family, wanted = families.of(arch.family), _by_name(arch)
    found = weights.locate(folder)
    if family.prefix and not any(name.startswith(family.prefix) for name in found):
        wanted = {name.removeprefix(family.prefix): parts for name, parts in wanted.items()}
    found = {name: path for name, path in found.items() if not re.fullmatch(family.buffers, name)}
    for name in wanted:
        if name not in found:
            raise LabError(f"{folder / WEIGHTS} has no {name}; {weights.AGAIN}")
    head = f"{family.names['head']}.weight"  # of a tied model, in some files
    for name, path in found.items():
        if name not in wanted and not (arch.tied and name == head):
            raise LabError(f"{path} has {name}, which the model has not; {weights.AGAIN}")
    arrays = {}
    for name, array in weights.each(found, {name: _shape(ps) for name, ps in wanted.items()}):
        parts = wanted[name]
        array = array.T if parts[0].transposed else array
        split = [array]
        if parts[0].fused is not None:
            split = fused.split(array, family.fused, arch.n_heads)
        arrays |= {
            p.path: sharding.put(one, p.path, arch) for p, one in zip(parts, split, strict=True)
        }
    params = spec.build(arrays)
    if arch.tied and head in found:
        for _, array in weights.each(found, {head: (arch.n_tokens, arch.d_model)}):
            if not np.array_equal(array, params["embed"]):
                raise LabError(
                    f"{found[head]} has another {head} than the embedding it is tied to; set "
                    f"tie_word_embeddings to false in {CONFIG} if that is meant"
                )
    return params


def speak(arch: Architecture, params: PyTree) -> Float[np.ndarray, "1 T V"]:
    """Logits after the first tokens of the vocabulary, for two folders to be compared by."""
    tokens = jnp.arange(min(_N_CHECKED, arch.n_positions))[None] % arch.n_tokens
    return hosts.gather(_speak(params, arch, tokens))


def entropy(arch: Architecture, params: PyTree) -> float:
    """Of the next token after the same tokens, mean, nats; log of the vocabulary if uniform.

    What is near that has hardly learned anything, or was not loaded as it was meant.
    """
    log = jax.nn.log_softmax(jnp.asarray(speak(arch, params)))
    return float(-jnp.mean(jnp.sum(jnp.exp(log) * log, axis=-1)))


@partial(jax.jit, static_argnums=1)
def _speak(
    params: PyTree, arch: Architecture, tokens: Integer[Array, "1 T"]
) -> Float[Array, "1 T V"]:
    hidden, _ = transformer.forward(params, arch, tokens, jnp.zeros(1, jnp.int32))
    return transformer.logits(params, hidden)
