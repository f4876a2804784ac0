"""The tensors of a Hugging Face folder: in one safetensors file, or in shards with an index."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
from jaxtyping import Float

from lab.errors import LabError
from lab.runs import records, tensors
from lab.runs.saving import saving
from lab.runs.tensors import Shape

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD = 5 * 10**9  # bytes, as on the hub
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
AGAIN = "fetch it and config.json again"


class Index(TypedDict):
    """What we use of an index of shards."""

    weight_map: dict[str, str]
    metadata: NotRequired[dict[str, Any]]


def locate(folder: Path) -> dict[str, Path]:
    """The file of every tensor, as the headers of the files say.

    Raises `LabError` for no file, one that is damaged, and an index that does not agree with its
    shards or leads out of the folder.
    """
    single, index = folder / WEIGHTS, folder / INDEX
    if not index.exists():
        if not single.exists():
            refuse_pickles(folder)
        return dict.fromkeys(tensors.names(single, AGAIN), single)
    if single.exists():
        raise LabError(f"{folder} has {WEIGHTS} and {INDEX}; remove the one that is not meant")
    said = records.read(index, Index, AGAIN)["weight_map"]
    shards = {name: _shard(folder, name) for name in sorted(set(said.values()))}
    found: dict[str, Path] = {}
    for name, path in shards.items():
        for tensor in tensors.names(path, AGAIN):
            if said.get(tensor) != name:
                where = f"and {said[tensor]}" if tensor in said else f"but not in {INDEX}"
                raise LabError(f"{path} has {tensor}, which is in {name} {where}; {AGAIN}")
            found[tensor] = path
    for tensor, name in said.items():
        if tensor not in found:
            raise LabError(f"{index} says {tensor} is in {name}, which lacks it; {AGAIN}")
    return found


def _shard(folder: Path, name: str) -> Path:
    path = folder / name
    if Path(name).name != name or not name.endswith(".safetensors"):
        raise LabError(f"{folder / INDEX} names {name!r}, which is no file beside it; {AGAIN}")
    if not path.exists():
        raise LabError(f"{path} is missing, and {INDEX} names it; {AGAIN}")
    if path.is_symlink() and not _in_hub_cache(path):
        raise LabError(f"{path} is a link out of the folder; put the file itself there")
    return path


def _in_hub_cache(path: Path) -> bool:
    """Whether a link is one of those that huggingface_hub makes: snapshots/<x>/ to blobs/."""
    snapshots = path.absolute().parents[1]
    return snapshots.name == "snapshots" and path.resolve().parent == (
        snapshots.resolve().parent / "blobs"
    )


def refuse_pickles(folder: Path) -> None:
    """Raise `LabError` for a folder with a pickle in it: there is no file of tensors beside it."""
    pickles = sorted(p.name for p in folder.glob("*") if p.suffix in _PICKLES)
    if pickles:
        raise LabError(
            f"{folder} has its weights as a pickle ({pickles[0]}), which could run any code; take "
            "a revision with safetensors, or open it in transformers and save_pretrained it"
        )


def write(folder: Path, arrays: Mapping[str, tensors.Later]) -> None:
    """Write model.safetensors, or shards of at most SHARD bytes and their index.

    No more than one array is held. A larger array has a shard to itself. Raises `LabError` if they
    cannot be written.
    """
    shards: list[dict[str, tensors.Later]] = [{}]
    for name, array in arrays.items():
        if shards[-1] and array.nbytes + sum(a.nbytes for a in shards[-1].values()) > SHARD:
            shards.append({})
        shards[-1][name] = array
    if len(shards) == 1:
        tensors.write(folder / WEIGHTS, arrays, {"format": "pt"})
        return
    placed: dict[str, str] = {}
    for i, shard in enumerate(shards, 1):
        file = f"model-{i:05}-of-{len(shards):05}.safetensors"
        tensors.write(folder / file, shard, {"format": "pt"})
        placed |= dict.fromkeys(shard, file)
    size = {"total_size": sum(array.nbytes for array in arrays.values())}
    with saving(folder / INDEX):  # last: a folder without it is not yet whole
        records.write(folder / INDEX, Index(metadata=size, weight_map=placed))


def each(
    found: Mapping[str, Path], shapes: Mapping[str, Shape]
) -> Iterator[tuple[str, Float[np.ndarray, "..."]]]:
    """The tensors of `shapes` one by one, as float32: no more than one is held.

    Raises `LabError` for one that is misshapen, or not finite as float32.
    """
    for path in dict.fromkeys(found[name] for name in shapes):
        own = {name: shape for name, shape in shapes.items() if found[name] == path}
        yield from tensors.each(path, AGAIN, own, np.float32)
