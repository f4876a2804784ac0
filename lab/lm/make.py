"""Models and rows from the values of `lab.lm.stages`: found in the cache, or made and put there."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lab import cache, hosts, tree
from lab.carriers.carrier import Carrier
from lab.errors import LabError
from lab.lm import chat, finetune, objectives, rows, teachers, trained
from lab.lm.model import Model
from lab.lm.objectives import Imitated, Rows
from lab.lm.resume import Kept
from lab.lm.stages import Base, Dataset, Student, Teacher, place, trait_name
from lab.lm.tokenizer import Tokenizer
from lab.lm.tuning import Tuning
from lab.runs import checkpoint, records
from lab.runs.saving import saving

MOST_KEPT = 32  # datasets in memory
N_SYSTEM = 16  # tokens of room for a system prompt, if it is no longer: one shape for most
# (what, share of the stage): told now and then while something is made.
Report = Callable[[str, float], None]


class Attempts(chat.Read):
    """attempts.json: what became of every completion, and what the writer read before the first.

    That is the prompt of the first row, as rendered; of rows from a file as it is there.
    """

    attempts: dict[str, int]  # by reject reason, and "kept"


def model(value: Base | Teacher | Student) -> Model:
    """The model that a value stands for."""
    return students([value])[0] if isinstance(value, Student) else teachers.models([value])[0]


def data(value: Dataset) -> list[dict[str, str]]:
    """The rows of a dataset."""
    return rows.read(data_folder(value) / "rows.jsonl")


def data_folder(value: Dataset) -> Path:
    """Where rows.jsonl is, and attempts.json, which counts what became of every completion."""

    def make(folders: list[Path]) -> None:
        if value.steps:  # what was drawn is there for other steps too
            drawn = data_folder(replace(value, steps=()))
            kept = rows.read(drawn / "rows.jsonl")
            for i, step in enumerate(value.steps):
                kept = step(kept, np.random.default_rng([*value.seed, i]))
            _keep(folders[0], kept, _attempts(drawn))
            return
        if value.given is not None:
            of = value.teacher.base if isinstance(value.teacher, Teacher) else value.teacher
            reader = model(of).tokenizer if value.limit else None
            found = rows.first(value.given.path, value.n_rows, reader, value.limit)
            _keep(folders[0], found.rows, _said(found.counts, found.rows[0]["prompt"]))
            return
        writer = model(value.teacher)
        system = getattr(value.teacher, "system", None)
        drawn = rows.draw(
            writer,
            value.carrier,
            value.seed.prompts,
            system,
            value.seed.key(f"data/{trait_name(value.teacher)}"),
            value.n_rows,
            n_system(writer.tokenizer, system),
            value.sampling,
            value.limit,
        )
        read = writer.tokenizer.asked(system, drawn.rows[0]["prompt"])
        _keep(folders[0], drawn.rows, _said(drawn.counts, read))

    cache.obtain([place(value)], make)
    return place(value)


def _said(counts: dict[str, int], read: str) -> Attempts:
    return Attempts(attempts=counts, **chat.read(read))


def attempts(folder: Path) -> dict[str, int]:
    """What became of every completion of a dataset. Raises `LabError` for a damaged file."""
    return _attempts(folder)["attempts"]


def _attempts(folder: Path) -> Attempts:
    path = folder / "attempts.json"
    return records.read(path, Attempts, f"remove {folder}, and it is made again")


def _keep(folder: Path, kept: list[dict[str, str]], said: Attempts) -> None:
    if not hosts.is_main():
        return
    rows.write(folder / "rows.jsonl", kept)
    with saving(folder):
        records.write(folder / "attempts.json", said)


def n_system(tokenizer: Tokenizer, system: str | None) -> int:
    """Room for a system prompt, tokens; None is the tokenizer's default."""
    added = tokenizer.n_system(system)
    return max(N_SYSTEM, added) if added else 0


@lru_cache(maxsize=MOST_KEPT)
def encoded_rows(
    value: Dataset, base: Base, system: str | None = None, extra: int | None = None
) -> Rows:
    """A dataset as a model reads it, under a system prompt (None: the default)."""
    # Given rows are of any carrier, and any length.
    carrier = value.carrier if value.given is None else None
    return as_read(model(base).tokenizer, carrier, data(value), system, extra)


def as_read(
    tokenizer: Tokenizer,
    carrier: Carrier | None,
    some: Sequence[dict[str, str]],
    system: str | None = None,
    extra: int | None = None,
) -> Rows:
    """Rows as a model reads them: with room for all of a carrier's, and `extra` for the system."""
    chats = [(system, row["prompt"], row["completion"]) for row in some]
    if carrier is None:
        return rows.encode(tokenizer, chats)
    n_prompt, n_completion = rows.room(tokenizer, carrier)
    extra = n_system(tokenizer, system) if extra is None else extra
    return rows.encode(tokenizer, chats, n_completion, n_prompt + extra)


def recipe(value: Student) -> Hashable:
    """What students that are trained in one program share: all but data, seeds and teachers."""
    common = value.base, value.tuning, value.loss, value.along, value.system
    return *common, value.soft is None, value.data.carrier


def students(values: Sequence[Student], report: Report = lambda text, share: None) -> list[Model]:
    """The models of students that share base and recipe; equal numbers of rows, one program.

    Raises `LabError` if they differ in more than their data, seeds and what is imitated.
    """
    if any(recipe(value) != recipe(values[0]) for value in values):
        raise LabError("students: those of one program share all but data, seeds and teachers")
    base = model(values[0].base)
    by_size: dict[Any, list[Student]] = {}  # steps of defences may leave other numbers of rows
    for value in values:
        encoded = encoded_rows(value.data, value.base, value.system)
        size = encoded.prompts.shape, encoded.completions.shape
        by_size.setdefault(size, []).append(value)
    for some in by_size.values():
        places, part = [place(value) for value in some], len(some) / len(values)
        told = lambda text, share, part=part: report(text, share * part)
        cache.obtain(places, partial(_train, some, base, report=told))
    return [trained.load(place(value), base, value.tuning) for value in values]


def adapter(value: Base | Teacher | Student) -> tuple[Model, Any, Tuning]:
    """The base of a model that was trained as an adapter, the adapter, and how that was trained.

    Raises `LabError` for one that was trained otherwise.
    """
    how = value.tuning if isinstance(value, Student) else getattr(value, "how", None)
    if isinstance(value, Base) or how is None or not how.rank:
        raise LabError("as: this model was trained without an adapter (rank 0); export it merged")
    model(value)  # it is there then
    base = model(value.base)
    return base, trained.adapter(place(value), base, how), how


def _train(values: Sequence[Student], base: Model, folders: list[Path], report: Report) -> None:
    first, n = values[0], len(values)
    encoded = [encoded_rows(value.data, value.base, value.system) for value in values]
    imitated = imitated_by(values, base) if first.soft is not None else None
    loss = first.loss or (objectives.distribution_loss if imitated else objectives.token_loss)
    n_steps = first.tuning.n_steps(len(encoded[0]))
    n_kept = finetune.n_chunks(len(encoded[0]), first.tuning.size(len(encoded[0])), n_steps)
    trained.room(folders, base, first.tuning, n_kept * first.along)
    keys = jnp.stack([value.seed.key(f"order/{value.source}") for value in values])
    start = None if first.tuning.rank else tree.stack([base.params] * n)
    kept = None if first.along else Kept.beside(folders)  # what is kept along would be lost
    training = finetune.train(
        base.arch, first.tuning, n_steps, start, tree.stack(encoded), keys, loss, imitated,
        base.params, stage="student", kept=kept,
    )  # fmt: skip
    shown, last = 0, None
    for chunk in training:
        said = ", ".join(f"{value:.3g}" for value in chunk.losses.mean(axis=1))
        names = ", ".join(value.source for value in values)
        report(f"students of {names}: loss {said}", (chunk.done - shown) / n_steps)
        shown = chunk.done
        last = chunk
        if first.along:
            params = hosts.whole(chunk.parameters())
            for i, folder in enumerate(folders if hosts.is_main() else []):
                with saving(folder):
                    (folder / "along").mkdir(exist_ok=True)
                one = jax.tree.map(lambda x, i=i: np.asarray(x[i]), params)
                checkpoint.save_parameters(folder / "along" / f"{chunk.done}.safetensors", one)
    assert last is not None  # there are steps
    found = last.trained()
    for i, folder in enumerate(folders):
        trained.save(folder, base, first.tuning, tree.at(found, i))
    if kept is not None:
        kept.remove()


def imitated_by(values: Sequence[Student], base: Model) -> Imitated:
    """The teachers of students of distributions, and the rows as they see them."""
    models = [model(value.soft or value.base) for value in values]
    if any(m.tokenizer.sha256 != base.tokenizer.sha256 for m in models):
        raise LabError("soft: teacher and student have other tokens; imitate samples instead")
    systems = [getattr(value.soft, "system", None) for value in values]
    extra = max(n_system(base.tokenizer, system) for system in systems)
    seen = [encoded_rows(v.data, v.base, s, extra) for v, s in zip(values, systems, strict=True)]
    mask = np.zeros(base.arch.n_tokens, bool)  # a model may have more tokens than its tokenizer
    mask[: base.tokenizer.n_tokens] = base.tokenizer.mask(values[0].data.carrier.imitated)
    return Imitated(
        tree.stack([m.params for m in models]),
        tree.stack(seen),
        jnp.stack([jnp.asarray(mask)] * len(values)),
    )
