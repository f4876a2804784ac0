"""Reference models: trained on a synthetic world once, perhaps further, and kept.

What a reference is follows from its value alone; the start and the order of the data are separate
seeds. The same training in another order of sums is another model (LOG.md), so the references that
committed tables depend on travel with the lab (`lab/data/references`, and the SHA-256 of their
files in `references.json` beside it), made by `python -m lab.lm.reference`; others are artifacts of
the cache.
"""

import dataclasses
import hashlib
import json
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree

from lab import cache, devices, hosts, rng, tree
from lab.errors import LabError
from lab.identity import digest
from lab.lm import finetune, hf, transformer
from lab.lm import world as worlds
from lab.lm.model import SIZES, Architecture, Model
from lab.lm.objectives import Imitated
from lab.lm.pretraining import (
    FURTHER,
    MATCHED,
    TALKS,
    Further,
    Imitation,
    Pretraining,
    corpus,
)
from lab.lm.world import World
from lab.runs import checkout, manifest, paths, records
from lab.runs.endings import one_line
from lab.runs.progress import Meter, console
from lab.runs.saving import require_room, saving

STORED = Path(__file__).parents[1] / "data" / "references"
_REMEDY = "install the lab again, or in a clone `git checkout lab/data`"
VERSION = 2  # a change in how references are made must not find those made before


@dataclass(frozen=True)
class Reference:
    """A model trained from scratch on a world: a base of teachers and students."""

    init_seed: int
    pretraining: Pretraining = field(default_factory=Pretraining)
    world: World = field(default_factory=World)
    which: Literal["stored", "fresh"] = "stored"
    further: Further | None = None  # training after its own

    @property
    def name(self) -> str:
        """Twelve hex digits that name the reference, the world's texts included."""
        trained = dataclasses.asdict(self.pretraining)
        parts: list[Any] = [VERSION, self.init_seed, trained, worlds.identity(self.world)]
        if self.further is not None:
            parts.append(dataclasses.asdict(self.further))
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def folder(self) -> Path:
        """Where it is: with the lab if it is stored there, else in the cache."""
        if self.sums is not None:
            return STORED / self.name
        made = digest([self.name, devices.described()]) if self.which == "fresh" else self.name
        return cache.artifacts() / "references" / made

    @property
    def last(self) -> Pretraining | Further:
        """The last training that it gets."""
        return self.further or self.pretraining

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
    """The folders of references; those missing that differ in their seeds are trained together.

    Raises `LabError` for a damaged one of those that are stored with the lab: trained again it
    would be another model.
    """
    for made in wanted:
        if made.sums is not None and (why := manifest.damage(made.folder, files=made.sums)):
            raise LabError(f"{made.folder} is damaged ({why}); {_REMEDY}")
    damaged = lambda made: hosts.from_main(cache.damage(made.folder) is not None)
    absent = [made for made in wanted if made.sums is None and damaged(made)]
    alike: dict[Hashable, list[Reference]] = {}
    for made in absent:
        last = replace(made.last, data_seed=0)
        last = replace(last, of=0) if isinstance(last, Imitation) else last
        alike.setdefault((made.world, made.pretraining.size, last), []).append(made)
    for some in alike.values():
        cache.obtain([made.folder for made in some], partial(_train, some))
    return [made.folder for made in wanted]


def _train(wanted: list[Reference], folders: list[Path]) -> None:
    first, how = wanted[0], wanted[0].last
    tokenizer = worlds.tokenizer(first.world)
    arch = SIZES[first.pretraining.size].with_tokens(tokenizer.n_tokens)
    order = lambda made: rng.named(jax.random.key(made.last.data_seed), "reference/order")
    corpora = {
        seed: corpus(first.world, how, seed, tokenizer)
        for seed in {made.last.data_seed for made in wanted}
    }
    params = tree.stack([_start(made, arch) for made in wanted])
    n_parameters = transformer.n_parameters(params) // len(wanted)
    require_room(folders[0], len(wanted) * (4 * n_parameters + 2**20))
    console.print(
        f"training {len(wanted)} reference models of {n_parameters:,} parameters, "
        f"{how.steps} steps; they are kept for later runs"
    )
    losses: list[Float[np.ndarray, "E S"]] = []
    data = tree.stack([corpora[made.last.data_seed] for made in wanted])
    orders = jnp.stack([order(made) for made in wanted])
    imitated = None
    if isinstance(how, Imitation):
        models = tree.stack([_imitated(made).load().params for made in wanted])
        imitated = Imitated(models, data, jnp.ones((len(wanted), arch.n_tokens), bool))
    last = None
    with Meter(finetune.n_chunks(how.n_distinct, how.batch, how.steps)) as meter:
        training = arch, how.tuning, how.steps, params, data, orders
        for chunk in finetune.train(*training, how.loss, imitated, stage="pretraining"):
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
        record: dict[str, Any] = {
            "init_seed": made.init_seed,
            "pretraining": dataclasses.asdict(made.pretraining),
            "world": worlds.identity(made.world),
            "parameters": n_parameters,
            "loss": [round(float(c.mean()), 4) for c in np.array_split(curve, min(50, len(curve)))],
        }
        if made.further is not None:
            record["further"] = dataclasses.asdict(made.further)
        with saving(folder):
            records.write(folder / "reference.json", record)


def _start(made: Reference, arch: Architecture) -> PyTree:
    if made.further is not None:
        return replace(made, further=None).load().params
    return transformer.init(rng.named(jax.random.key(made.init_seed), "reference"), arch)


def _imitated(made: Reference) -> Reference:
    assert isinstance(made.further, Imitation)
    return replace(made, init_seed=made.further.of, further=None)


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
    sets += [(WORLDS[name], usual, 6) for name in ("carriers", "characters", "apart")]
    sets += [(WORLDS["characters"], short, 2)]
    sets += [
        (CONTEXT, replace(usual, size=size), 5)
        for size in ("nano_heads", "nano_untied", "nano_hidden", "nano_gpt2")
    ]
    every = [[Reference(i, how, world, "fresh") for i in range(n)] for world, how, n in sets]
    # Further training starts from the very bits that are stored.
    for how in (TALKS, FURTHER):
        every.append([Reference(i, usual, CONTEXT, further=how) for i in range(5)])
    imitating = lambda i: Reference(i + 1, usual, CONTEXT, further=replace(MATCHED, of=i))
    every.append([imitating(i) for i in range(5)])
    for wanted in every:
        stored = dict(_stored(STORED))
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
