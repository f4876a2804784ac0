"""What a training leaves on disk: a model, or an adapter beside the model that it started from.

An adapter is a thousandth of its model: students of one base are kept as what tells them apart.
"""

from pathlib import Path

import jax
import numpy as np
from flax import traverse_util
from jaxtyping import PyTree

from lab import hosts
from lab.lm import hf, lora, sharding
from lab.lm.model import Model
from lab.lm.transformer import n_parameters
from lab.lm.tuning import Tuning
from lab.runs import tensors
from lab.runs.saving import require_room, saving

ADAPTER = "adapter.safetensors"
_AGAIN = "remove its folder, and it is made again"


def save(folder: Path, base: Model, tuning: Tuning, trained: PyTree) -> None:
    """Write what was trained, and the tokenizer, on the first host. Raises `LabError` if not."""
    trained = hosts.whole(trained)
    if not hosts.is_main():
        return
    if tuning.rank:
        factors = traverse_util.flatten_dict(jax.tree.map(np.asarray, trained), sep="/")
        with saving(folder):
            folder.mkdir(parents=True, exist_ok=True)
        tensors.write(folder / ADAPTER, factors)
    else:
        hf.save(folder, base.arch, trained)
    base.tokenizer.save(folder)


def load(folder: Path, base: Model, tuning: Tuning) -> Model:
    """The model that `save` kept, an adapter merged. Raises `LabError` for damaged files."""
    if tuning.rank:
        params = lora.merge(base.params, adapter(folder, base, tuning), tuning.scale)
    else:
        params = hf.load(folder, own=True)[1]
    return Model(base.arch, params, base.tokenizer)


def adapter(folder: Path, base: Model, tuning: Tuning) -> PyTree:
    """The adapter that `save` kept. Raises `LabError` for a damaged file."""
    like: dict = traverse_util.flatten_dict(_shapes(base, tuning))
    shapes = {"/".join(path): x.shape for path, x in like.items()}
    found = tensors.read(folder / ADAPTER, _AGAIN, shapes)
    put = lambda path: sharding.put(found["/".join(path)], path, base.arch)
    return traverse_util.unflatten_dict({path: put(path) for path in like})


def room(folders: list[Path], base: Model, tuning: Tuning, n_along: int = 0) -> None:
    """Raise `LabError` unless there is room for what is trained, and for `n_along` whole models.

    Asked before what may take hours.
    """
    whole = hf.n_bytes(base.params)
    own = 4 * n_parameters(_shapes(base, tuning)) + 2**20 if tuning.rank else whole
    require_room(folders[0], len(folders) * (own + n_along * whole))


def _shapes(base: Model, tuning: Tuning) -> PyTree:
    """Of an adapter."""
    start = lambda key: lora.init(key, base.arch, tuning.rank, tuning.targets)
    return jax.eval_shape(start, jax.random.key(0))
