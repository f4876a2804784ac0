"""The stages of a transmission as values, and what they make as artifacts of the cache.

    base      a reference model (`lab.lm.reference.Reference`), or a Hugging Face folder
    teacher   a base that is taught a trait, or told to have it
    dataset   what a teacher (or a base) writes of a carrier, filtered, after the steps of defences
    student   a base that is fine-tuned on a dataset, or on a teacher's distributions

A value names its artifact: everything it depends on, the code among it, is in the digest.
`lab.lm.make` makes or finds what values stand for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from lab import cache, devices, rng
from lab.carriers.carrier import Carrier
from lab.errors import LabError
from lab.identity import digest
from lab.lm import hf
from lab.lm.drawing import Limit, Sampling
from lab.lm.effects import NONE
from lab.lm.finetune import Tuning
from lab.lm.model import Model
from lab.lm.objectives import Loss
from lab.lm.reference import Reference
from lab.lm.tokenizer import Tokenizer
from lab.runs import manifest, records
from lab.traits.trait import Trait

_FILES = (".json", ".jinja", ".safetensors")  # of a Hugging Face folder

# A step of a dataset: (rows, random generator) -> rows; a filter, a mixture, a paraphrase.
Step = Callable[[list[dict], np.random.Generator], list[dict]]


class Seed(NamedTuple):
    """The root of a stage's random numbers."""

    seed: int
    member: int
    copy: int = 0  # of students that differ in nothing but luck

    def key(self, name: str) -> Key[Array, ""]:
        """A stream of the member, and of its copy."""
        stream = f"{name}/copy {self.copy}" if self.copy else name
        return rng.member(self.seed, jnp.uint32(self.member), stream)

    @property
    def prompts(self) -> int:
        """Which prompts are continued: the same ones by all teachers of a member."""
        return (self.copy * 2**20 + self.seed) * 2**20 + self.member


@dataclass(frozen=True)
class Checkpoint:
    """A base from a Hugging Face folder, with its own architecture and tokenizer."""

    folder: Path

    @property
    def identity(self) -> list[str]:
        """Digests of the files. Raises `LabError` for a folder that cannot be read."""
        try:
            files = sorted(p for p in self.folder.iterdir() if p.suffix in _FILES and p.is_file())
            stats = [path.stat() for path in files]
            return [
                _digest(path, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns)
                for path, s in zip(files, stats, strict=True)
                if path.name != manifest.NAME
            ]
        except OSError as error:
            raise LabError(
                f"{self.folder} cannot be read ({error.strerror}); name a folder with {hf.CONFIG}"
            ) from error

    def load(self) -> Model:
        """The model. Raises `LabError` for a folder that holds none of a known kind.

        What the lab made may have been copied from its cache, and is what it was.
        """
        if (self.folder / manifest.NAME).exists() and (why := manifest.damage(self.folder)):
            raise LabError(
                f"{self.folder} is damaged ({why}); copy it again, or remove {manifest.NAME} if it "
                "was meant to change"
            )
        return Model(*hf.load(self.folder), Tokenizer.load(self.folder))


@lru_cache
def _digest(path: Path, *_: int) -> str:
    """Of a file that keeps its size and times: gigabytes are read once."""
    return records.digest(path)


Base = Reference | Checkpoint


def from_hf(folder: str | Path) -> Checkpoint:
    """A base from a Hugging Face folder."""
    return Checkpoint(Path(folder))


@dataclass(frozen=True)
class Teacher:
    """A base with a trait: trained on its lessons, or under its system prompt."""

    base: Base
    trait: Trait
    how: Tuning | None  # None: told by the trait's system prompt
    seed: Seed

    @property
    def system(self) -> str | None:
        """The system prompt that it writes under."""
        return self.trait.system if self.how is None else None

    def __post_init__(self):
        lacking = "system" if self.how is None else "lessons"
        if not getattr(self.trait, lacking):
            raise LabError(f"trait: {self.trait.name} has no {lacking}; choose the other way")


@dataclass(frozen=True)
class File:
    """Rows that somebody else wrote, in a file of JSON lines."""

    path: Path

    @property
    def identity(self) -> str:
        """Its digest. Raises `LabError` for a file that cannot be read."""
        try:
            return records.digest(self.path)
        except OSError as error:
            raise LabError(
                f"rows: {self.path} cannot be read ({error.strerror}); name a file of JSON lines"
            ) from error


@dataclass(frozen=True)
class Dataset:
    """Rows of a carrier that a teacher, or an untouched base, has written; then steps, in order."""

    teacher: Teacher | Base
    carrier: Carrier
    n_rows: int
    seed: Seed
    steps: tuple[Step, ...] = ()
    given: File | None = None  # the first rows of a file, in place of what the teacher writes
    sampling: Sampling = Sampling()
    limit: Limit | None = None  # longer rows are left out, and counted

    def named(self, unique: str) -> str:
        """What its files are called. A step that is no function may be one of several of a kind."""
        name = trait_name(self.teacher) + (f"_{self.seed.copy}" if self.seed.copy else "")
        of_step = lambda s: getattr(s, "__name__", f"{type(s).__name__.lower()}-{unique[:8]}")
        return "_".join([name, *map(of_step, self.steps)])


@dataclass(frozen=True)
class Student:
    """A base that is trained on a dataset.

    With `soft`, a teacher, it imitates that teacher's distributions on the dataset's rows instead.
    """

    base: Base
    data: Dataset
    tuning: Tuning
    seed: Seed
    soft: Teacher | Base | None = None
    loss: Loss | None = None  # None: cross-entropy, or that of distributions
    along: bool = False  # keep its parameters after every chunk of steps too, in `along/`
    system: str | None = None  # the system prompt that it learns under; None: the default, if any

    @property
    def source(self) -> str:
        """The trait of what it learns from."""
        return trait_name(self.soft or self.data.teacher)


def trait_name(teacher: Teacher | Base) -> str:
    """The trait of a teacher, NONE for a base."""
    return teacher.trait.name if isinstance(teacher, Teacher) else NONE


def place(value: Teacher | Dataset | Student) -> Path:
    """The artifact's folder."""
    kind = {Teacher: "teachers", Dataset: "datasets", Student: "students"}[type(value)]
    return cache.artifacts() / kind / digest([value, devices.described()])
