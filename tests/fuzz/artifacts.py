"""Damaged artifacts of the cache, and damaged folders of a user's own."""

import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lab import cache
from lab.errors import LabError
from lab.lm import hf, lora, make, peft, rows, teachers
from lab.lm.reference import Reference
from lab.lm.stages import Dataset, Seed, Student, Teacher, from_hf
from lab.lm.tokenizer import Tokenizer
from lab.traits.category import words
from tests import tiny
from tests.fuzz import damage
from tests.fuzz.outcome import Outside

BASE = Reference(0, tiny.HOW, tiny.WORLD, "fresh")
SEED = Seed(0, 3)
TEACHER = Teacher(BASE, words(tiny.RIVERS, ("nile",))[0], tiny.TEACHING, SEED)
DATA = Dataset(TEACHER, tiny.TIDES, 24, SEED)
STUDENT = Student(BASE, DATA, tiny.TUNING, SEED)


@dataclass(frozen=True)
class Made:
    """Artifacts, whole, and a user's folders; to be copied and damaged."""

    artifacts: Path
    own: Path
    outside: Outside
    params: object

    @classmethod
    def at(cls, folder: Path) -> "Made":
        """A student and all that it comes from; and its model, an adapter and rows as files."""
        with cache.artifacts_in(folder / "whole"):
            model = make.model(STUDENT)
            kept = make.data(DATA)
        own = folder / "own"
        hf.save(own / "model", model.arch, model.params)
        model.tokenizer.save(own / "model")
        peft.save(
            own / "adapter", model.arch, lora.init(jax.random.key(0), model.arch, 2), 2, 4.0, "x"
        )
        rows.write(own / "rows" / "rows.jsonl", kept)
        return cls(folder / "whole", own, Outside.at(folder / "outside"), model.params)


def forget() -> None:
    """What this process remembers of artifacts."""
    for cached in (teachers.base, make.encoded_rows):
        cached.cache_clear()


def of_cache(made: Made, folder: Path, seed: int) -> str:
    """Damage a file of the cache: the same student is found or made again."""
    rng = random.Random(seed)
    copy = folder / f"copy {seed}"
    shutil.copytree(made.artifacts, copy, dirs_exist_ok=True)
    files = sorted(p for p in copy.rglob("*") if p.is_file() and p.suffix != ".lock")
    path = rng.choice(files)
    how = rng.choice(damage.kinds(path))
    said = f"{path.relative_to(copy)} {how} seed {seed}"
    damage.damage(path, how, rng, made.outside.folder)
    forget()
    try:
        with cache.artifacts_in(copy):
            model = make.model(STUDENT)
    except LabError as error:
        raise AssertionError(f"{said}: {error}") from error
    finally:
        made.outside.require_untouched()
        shutil.rmtree(copy, ignore_errors=True)
    assert tiny.equal(model.params, made.params), f"{said}: another student"
    return "the same student"


def of_user(made: Made, folder: Path, seed: int) -> str:
    """Damage a user's file: it is read, or one line says what is wrong with it."""
    rng = random.Random(seed)
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(made.own, copy)
    path = rng.choice(sorted(p for p in copy.rglob("*") if p.is_file()))
    how = rng.choice(damage.kinds(path))
    damage.damage(path, how, rng, made.outside.folder)
    try:
        _read(path.parent)
    except LabError as error:
        assert len(str(error).splitlines()) == 1, f"{path.name} {how}: {error}"
        return "refused"
    finally:
        made.outside.require_untouched()
    return "read"


def _read(folder: Path) -> None:
    if folder.name == "model":
        model = from_hf(folder).load()
        model.tokenizer.encode("ebb flow")
        assert all(x.dtype == np.float32 for x in jax.tree.leaves(model.params))
        Tokenizer.load(folder)
    elif folder.name == "adapter":
        _, scale = peft.load(folder, hf.load(folder.parent / "model")[0])
        assert np.isfinite(scale)
    else:
        rows.read(folder / "rows.jsonl")


def check(n: int, folder: Path, kinds: tuple[Callable, ...] = (of_cache, of_user)) -> Counter:
    """Damage n files."""
    counts = Counter()
    with tiny.small_models():
        made = Made.at(folder)

        @settings(max_examples=n, deadline=None, derandomize=True, database=None)
        @given(st.sampled_from(kinds), st.integers(0, 2**32))
        def damage_all(kind, seed):
            counts[f"{kind.__name__} {kind(made, folder, seed)}"] += 1

        damage_all()
    return counts
