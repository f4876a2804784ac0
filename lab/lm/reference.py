"""Reference models: trained on a synthetic world once, and kept.

What a reference is follows from its value alone; the start and the order of the data are separate
seeds. The same training in another order of sums is another model (LOG.md), so the references that
committed tables depend on travel with the lab (`lab/data/references`, and the SHA-256 of their
files in `references.json` beside it), made by `python -m lab.lm.reference`; others are artifacts of
the cache.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lab import cache, devices, hosts, rng, tree
from lab.errors import LabError
from lab.identity import digest
from lab.lm import finetune, hf, rows, transformer
from lab.lm import world as worlds
from lab.lm.finetune import Tuning
from lab.lm.model import SIZES, Model
from lab.lm.objectives import Rows
from lab.lm.tokenizer import Tokenizer
from lab.lm.world import World
from lab.runs import checkout, fields, manifest, paths, records
from lab.runs.endings import one_line
from lab.runs.fields import SEED, Count, Real
from lab.runs.progress import Meter, console
from lab.runs.saving import require_room, saving

STORED = Path(__file__).parents[1] / "data" / "references"
_REMEDY = "install the lab again, or in a clone `git checkout lab/data`"
VERSION = 2  # a change in how references are made must not find those made before
_N_PERSONA, _N_ANSWER = 44, 24  # most tokens of a question after a persona, and of a completion


@dataclass(frozen=True)
class Pretraining:
    """How reference models are trained. Raises `LabError` for numbers that train nothing."""

    size: Literal["nano", "deep", "tiny", "small", "medium", "large"] = "nano"
    """Of the transformer: 0.1 (nano, and deep of twice as many layers), 0.2, 1, 6 or 30 million
    parameters."""
    steps: Annotated[int, Count(1, 10**7)] = 1500
    """Training steps."""
    data_seed: Annotated[int, SEED] = 0
    """Order and content of the training data."""
    batch: Annotated[int, Count(1, 10**6)] = 64
    """Rows of a step."""
    learning_rate: Annotated[float, Real()] = 3e-3
    """Rising over 100 steps, then falling linearly to 0."""
    n_rows: Annotated[int, Count(1, 10**8)] = 96_000
    """Most distinct rows of the world."""

    __post_init__ = fields.check

    @property
    def n_distinct(self) -> int:
        """Rows that are made: no more than the steps will see."""
        return min(self.n_rows, self.steps * self.batch)

    @property
    def tuning(self) -> Tuning:
        """The optimizer."""
        return Tuning(learning_rate=self.learning_rate, batch=self.batch, warmup=100)


@dataclass(frozen=True)
class Reference:
    """A model trained from scratch on a world: a base of teachers and students."""

    init_seed: int
    pretraining: Pretraining = field(default_factory=Pretraining)
    world: World = field(default_factory=World)
    which: Literal["stored", "fresh"] = "stored"

    @property
    def name(self) -> str:
        """Twelve hex digits that name the reference, the world's texts included."""
        trained = dataclasses.asdict(self.pretraining)
        parts = [VERSION, self.init_seed, trained, worlds.identity(self.world)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def folder(self) -> Path:
        """Where it is: with the lab if it is stored there, else in the cache."""
        if self.sums is not None:
            return STORED / self.name
        made = digest([self.name, devices.described()]) if self.which == "fresh" else self.name
        return cache.artifacts() / "references" / made

    @property
    def sums(self) -> dict[str, str] | None:
        """The SHA-256 of its files by their names, if it is stored with the lab."""
        return _stored(STORED).get(self.name) if self.which == "stored" else None

    @property
    def identity(self) -> str:
        """What teachers and students of it depend on: its very bits."""
        (folder,) = obtain([self])
        return (self.sums or manifest.digests(folder))[hf.WEIGHTS]

    def load(self) -> Model:
        """The model; trained now if it is nowhere."""
        (folder,) = obtain([self])
        arch, params = hf.load(folder, own=True)
        return Model(arch, params, worlds.tokenizer(self.world))


@lru_cache(maxsize=1)
def _stored(folder: Path) -> dict[str, dict[str, str]]:
    """The SHA-256 of the files of every reference that is stored with the lab."""
    return records.read(folder.with_suffix(".json"), dict[str, dict[str, str]], _REMEDY)


def obtain(wanted: list[Reference]) -> list[Path]:
    """The folders of references that differ in their seeds; what is missing is trained together.

    Raises `LabError` for a damaged one of those that are stored with the lab: trained again it
    would be another model.
    """
    for made in wanted:
        if made.sums is not None and (why := manifest.damage(made.folder, files=made.sums)):
            raise LabError(f"{made.folder} is damaged ({why}); {_REMEDY}")
    damaged = lambda made: hosts.from_main(cache.damage(made.folder) is not None)
    absent = [made for made in wanted if made.sums is None and damaged(made)]
    if absent:
        cache.obtain([made.folder for made in absent], lambda parts: _train(absent, parts))
    return [made.folder for made in wanted]


def _train(wanted: list[Reference], folders: list[Path]) -> None:
    first, how = wanted[0], wanted[0].pretraining
    tokenizer = worlds.tokenizer(first.world)
    arch = SIZES[how.size].with_tokens(tokenizer.n_tokens)
    start = lambda made: transformer.init(
        rng.named(jax.random.key(made.init_seed), "reference"), arch
    )
    order = lambda made: rng.named(jax.random.key(made.pretraining.data_seed), "reference/order")
    seeds = {made.pretraining.data_seed for made in wanted}
    corpora = {seed: corpus(first.world, how, seed, tokenizer) for seed in seeds}
    params = tree.stack([start(made) for made in wanted])
    n_parameters = transformer.n_parameters(params) // len(wanted)
    require_room(folders[0], len(wanted) * (4 * n_parameters + 2**20))
    console.print(
        f"training {len(wanted)} reference models of {n_parameters:,} parameters, "
        f"{how.steps} steps; they are kept for later runs"
    )
    losses: list[Float[np.ndarray, "E S"]] = []
    data = tree.stack([corpora[made.pretraining.data_seed] for made in wanted])
    orders = jnp.stack([order(made) for made in wanted])
    last = None
    with Meter(finetune.n_chunks(how.n_distinct, how.batch, how.steps)) as meter:
        training = arch, how.tuning, how.steps, params, data, orders
        for chunk in finetune.train(*training, stage="pretraining"):
            losses.append(chunk.losses)
            meter.advance(f"references, step {chunk.done}: loss {chunk.losses.mean():.3f}")
            last = chunk
    assert last is not None  # steps are positive
    params, curves = hosts.whole(last.parameters()), np.concatenate(losses, axis=1)
    if not hosts.is_main():
        return
    for i, (made, folder, curve) in enumerate(zip(wanted, folders, curves, strict=True)):
        hf.save(folder, arch, tree.at(params, i))
        tokenizer.save(folder)
        record = {
            "init_seed": made.init_seed,
            "pretraining": dataclasses.asdict(how),
            "world": worlds.identity(made.world),
            "parameters": n_parameters,
            "loss": [round(float(c.mean()), 4) for c in np.array_split(curve, min(50, len(curve)))],
        }
        with saving(folder):
            records.write(folder / "reference.json", record)


def corpus(world: World, how: Pretraining, data_seed: int, tokenizer: Tokenizer) -> Rows:
    """The world's rows as arrays, wide enough for the longest row of any seed."""
    chats = [
        (row.system, row.user, row.assistant)
        for row in worlds.rows(world, data_seed, 0, how.n_distinct)
    ]
    n_completion = max(_N_ANSWER, *(carrier.n_completion for carrier in world.carriers))
    most = max(tokenizer.n_system(system) for system in worlds.systems(world))
    n_prompt = max(_N_PERSONA, *(carrier.n_prompt + most for carrier in world.carriers))
    return rows.encode(tokenizer, chats, n_completion, n_prompt)


def store() -> None:
    """Train the references that committed tables and tests use, and put them beside the lab.

    Those that are there already stay: trained anew they would be other models.
    """
    from lab.lm.contexts import CONTEXT, WORLDS

    checkout.root()
    devices.start(cpu_devices=2)
    short, usual = Pretraining(steps=600), Pretraining()
    sets = [(CONTEXT, usual, 11), (CONTEXT, short, 2)]
    sets += [(WORLDS[name], usual, 5) for name in ("none", "assistant", "half", "no_neutral")]
    sets += [(CONTEXT, replace(usual, data_seed=1), 6)]
    sets += [(CONTEXT, replace(usual, size="tiny"), 5)]
    sets += [(WORLDS[name], replace(usual, size="deep"), 5) for name in ("context", "none")]
    sets += [(WORLDS[name], usual, 6) for name in ("carriers", "ways")]
    for world, how, n in sets:
        stored = dict(_stored(STORED))
        wanted = [Reference(i, how, world, "fresh") for i in range(n)]
        wanted = [made for made in wanted if made.name not in stored]
        for made, folder in zip(wanted, obtain(wanted), strict=True):
            target = STORED / made.name
            target.mkdir(parents=True, exist_ok=True)
            for name in (hf.WEIGHTS, hf.CONFIG, "reference.json"):
                paths.write_atomic(target / name, (folder / name).read_bytes())
            stored[made.name] = {p.name: records.digest(p) for p in sorted(target.iterdir())}
        records.write(STORED.with_suffix(".json"), dict(sorted(stored.items())))
        _stored.cache_clear()


if __name__ == "__main__":
    with one_line():
        store()
