"""Reference models: trained on the synthetic world once, then kept in the cache.

What a reference is follows from its `Pretraining` alone, and the start and the order of the data
are separate seeds: same start with another order, or another start with the same order, are two
calls. The folder in the cache opens with `transformers` as a Qwen2 model with its tokenizer.
"""

import dataclasses
import fcntl
import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree

from lab import cache, results, rng, tree
from lab import world as worlds
from lab.errors import LabError
from lab.lm import data, finetune, hf, transformer
from lab.lm.architecture import SIZES, Architecture, Size
from lab.lm.finetune import Recipe
from lab.lm.text import Text
from lab.progress import Meter, console
from lab.world import World

# A change in how references are made must not find those made before.
VERSION = 1
_RECORD = "reference.json"
WIDTHS = (24, 44)  # most tokens of a completion and of a prompt in the world


@dataclass(frozen=True)
class Pretraining:
    """What a reference model is made of."""

    init_seed: int
    data_seed: int = 0
    size: Size = SIZES["tiny"]
    n_steps: int = 1500
    batch: int = 64
    learning_rate: float = 3e-3
    n_rows: int = 96_000
    world: World = field(default_factory=World)

    @property
    def name(self) -> str:
        """Twelve hex digits that name the reference, the world's texts included."""
        parts = [VERSION, dataclasses.asdict(self), worlds.identity(self.world)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def n_distinct(self) -> int:
        """Rows that are made: no more than the steps will see."""
        return min(self.n_rows, self.n_steps * self.batch)

    @property
    def recipe(self) -> Recipe:
        """How it is trained."""
        return Recipe(self.n_steps, self.batch, self.learning_rate, warmup=100)

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return cache.root() / "references" / self.name


@dataclass(frozen=True)
class Model:
    """A language model with its tokenizer."""

    arch: Architecture
    params: PyTree
    text: Text


def reference(made: Pretraining) -> Model:
    """The reference model, from the cache, or trained now and put there."""
    return references([made])[0]


def references(wanted: list[Pretraining]) -> list[Model]:
    """Reference models that differ in their seeds; those not in the cache are trained together.

    Two processes that want the same ones wait for each other. Raises `LabError` for damaged files.
    """
    absent = lambda: [made for made in wanted if not (made.folder / _RECORD).exists()]
    if absent():
        with _alone(cache.root() / "references"):
            if absent():
                _train(absent())
    return [_load(made) for made in wanted]


def _load(made: Pretraining) -> Model:
    arch, params = hf.load(made.folder)
    text = Text.load(made.folder)
    if text.n_tokens != arch.n_tokens:
        raise LabError(
            f"{made.folder}: the tokenizer has {text.n_tokens} tokens and the model "
            f"{arch.n_tokens}; delete the folder and run it again"
        )
    return Model(arch, params, text)


def _train(wanted: list[Pretraining]) -> None:
    first = wanted[0]
    text = Text.build(first.world)
    arch = first.size.with_tokens(text.n_tokens)
    start = lambda made: transformer.init(
        rng.named(jax.random.key(made.init_seed), "reference"), arch
    )
    order = lambda made: rng.named(jax.random.key(made.data_seed), "reference/order")
    rows = {seed: corpus(first, seed, text) for seed in {made.data_seed for made in wanted}}
    params = tree.stack([start(made) for made in wanted])
    n_parameters = transformer.n_parameters(params) // len(wanted)
    console.print(
        f"training {len(wanted)} reference models of {n_parameters:,} parameters, "
        f"{first.n_steps} steps; they are kept for later runs"
    )
    losses: list[Float[np.ndarray, "E S"]] = []
    data_rows = tree.stack([rows[made.data_seed] for made in wanted])
    orders = jnp.stack([order(made) for made in wanted])
    training = finetune.train(arch, first.recipe, params, data_rows, orders)
    with Meter(finetune.n_chunks(first.n_distinct, first.recipe)) as meter:
        for step, after, values in training:
            params = after
            losses.append(values)
            meter.advance(f"references, step {step}: loss {values.mean():.3f}")
    for i, (made, curve) in enumerate(zip(wanted, np.concatenate(losses, axis=1), strict=True)):
        hf.save(made.folder, arch, tree.at(params, i))
        text.save(made.folder)
        record = {
            "pretraining": dataclasses.asdict(made),
            "world": worlds.identity(made.world),
            "parameters": n_parameters,
            "loss": [round(float(c.mean()), 4) for c in np.array_split(curve, min(50, len(curve)))],
        }
        results.write_json(made.folder / _RECORD, record)  # last: it says that all is there


def corpus(made: Pretraining, data_seed: int, text: Text) -> finetune.Rows:
    """The world's rows as arrays, wide enough for the longest row of any seed."""
    chats = [
        (row.system, row.user, row.assistant)
        for row in worlds.rows(made.world, data_seed, 0, made.n_distinct)
    ]
    return data.encode(text, chats, *WIDTHS)


@contextmanager
def _alone(folder: Path):
    """Hold the folder's lock, waiting for whoever has it; a killed process leaves none."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
