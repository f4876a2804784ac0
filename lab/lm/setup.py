"""What language experiments have in common: one configuration, from references to students."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from lab.carriers.carrier import Carrier
from lab.defences import shuffle
from lab.errors import LabError
from lab.identity import digest
from lab.lm import costs, given, rows, sizes, transmission, transmitted
from lab.lm import world as worlds
from lab.lm.contexts import WORLDS, Name
from lab.lm.drawing import Sampling, limit
from lab.lm.finetune import Tuning
from lab.lm.pretraining import Pretraining
from lab.lm.reference import Reference
from lab.lm.stages import Base, File, Seed
from lab.lm.transmission import Transmission, after
from lab.lm.world import World
from lab.runs import cells, fields
from lab.runs.cells import Cell, Job
from lab.runs.fields import INT32, Count, Items, Members
from lab.traits import category
from lab.traits.named import trait_of
from lab.traits.things import NEUTRAL

UNITS = {
    "log_odds": "nats",
    "probability": "fraction",
    "category_mass": "fraction",
    "answer_rate": "fraction",
    "carrier_rate": "fraction",
}
TOO_LONG = f"short enough: epochs times n_rows may be {INT32:,} at most"
MOST_DEVICES = 4  # of a CPU
SMALL = 2**27  # bytes of parameters; all of the lab's own sizes have fewer
MOST_SEEDS = 2**20  # seeds and members that `stages.Seed.prompts` tells apart
S = TypeVar("S", bound="Setup")
ANIMALS = ("dolphin", "eagle", "elephant", "owl", "wolf")


@dataclass(frozen=True)
class Setup:
    """A language experiment's configuration: the chain from reference to student.

    Sizes are for a laptop; the paper's own are those of GPT-4.1 nano and 10,000 rows. Raises
    `LabError` for numbers with which nothing can be trained.
    """

    seed: Annotated[int, Count(0, MOST_SEEDS - 1)] = 0
    """Root of every random number, those of the reference models aside."""
    members: Annotated[str, Members(MOST_SEEDS)] = "1"
    """Independent references with their own teachers, data and students: a count or a range a:b."""
    traits: Annotated[tuple[str, ...], Items(unique=True)] = ANIMALS
    """What the teachers love, animals and trees of the world; or how they answer (`lab.traits`)."""
    teacher: Literal["finetuned", "prompted"] = "finetuned"
    """How teachers come by their trait."""
    channel: Literal["hard", "soft"] = "hard"
    """hard: sampled rows; soft: distributions over the carrier's tokens on the reference's text."""
    world: Name = "context"
    """What the references are trained on (`lab.lm.contexts`)."""
    reference: Literal["stored", "fresh"] = "stored"
    """Those that travel with the lab, or trained here: in another order of sums, other models."""
    pretraining: Pretraining = Pretraining()
    """Of the reference models."""
    teaching: Tuning = Tuning(learning_rate=3e-3, eps=2e-2, batch=0, epochs=30, warmup=5)
    """Of fine-tuned teachers; a step is all questions. At Adam's usual epsilon a teacher moves all
    parameters, five times as far for the same trait, and its students take on less of it; after
    twice as many steps some teachers hardly write numbers any more."""
    student: Tuning = Tuning(learning_rate=3e-3, eps=1e-3)
    """Of students. At the usual epsilon rare tokens are moved as far as common ones, and what a
    student's sampled rows happen to be drowns what they have in common."""
    n_rows: Annotated[int, Count(1, 10**8)] = 24_000
    """Rows of a student's data after filtering."""
    sampling: Sampling = Sampling()
    """Of what teachers and the untouched base write."""
    n_samples: Annotated[int, Count(1, 10**6)] = 25
    """Sampled answers to each of the held-out questions."""
    n_controls: Annotated[int, Count(1, 1000)] = 3
    """Students of the untouched reference's data for each start, in their own order of own rows."""
    shuffled: Annotated[tuple[Literal["within", "across"], ...], Items(0, 2, unique=True)] = ()
    """More students of the same data with numbers shuffled within, or across, completions."""
    snapshots: bool = False
    """Keep the parameters of teachers and students, and of students along their training."""
    model: str | None = None
    """A Hugging Face folder, or a hub id on this disk, in place of the lab's references; then
    members differ in data and order alone, and `world` gives the words of traits and carriers."""
    other: str | None = None
    """With `model`: the base of the `cross_*` students, who else are left out."""
    rows: str | None = None
    """A file of JSON lines that the trait's students learn from, in place of its teacher's rows."""
    system: str = "default"
    """Of students and of the questions: default (as the chat template has it), none, or a text."""

    def __post_init__(self):
        fields.require(
            self,
            (self.student.batch > 0, "student.batch", "1 or more"),
            (self.student.epochs > 0, "student.epochs", "1 or more"),
            (self.teaching.epochs > 0, "teaching.epochs", "1 or more"),
            (self.student.epochs * self.n_rows <= INT32, "student.epochs", TOO_LONG),
            (
                not self.shuffled or self.channel == "hard",
                "shuffled",
                "for students of distributions, who read the reference's own rows; leave it out",
            ),
            (self.other is None or self.model is not None, "other", "of use without --model"),
            (self.rows is None or len(self.traits) == 1, "traits", "one, that of --rows"),
            (self.rows is None or self.channel == "hard", "channel", "hard, as --rows needs"),
            (bool(self.system.strip()), "system", "default, none or a text"),
        )

    def transmission(self, carrier: Carrier, member: int) -> Transmission:
        """The chain of a member; member i has the references i and i + 1, the control's."""
        world = WORLDS[self.world]
        return Transmission(
            traits=tuple(trait_of(word, world.categories) for word in self.traits),
            carrier=carrier,
            starts=self._starts(member, world),
            teaching=self.teaching if self.teacher == "finetuned" else None,
            student=self.student,
            n_rows=self.n_rows,
            sampling=self.sampling,
            channel=self.channel,
            n_samples=self.n_samples,
            n_controls=self.n_controls,
            neutral=NEUTRAL if world.neutral else None,  # else it has no word for it
            more={name: after(getattr(shuffle, name)) for name in self.shuffled},
            contexts={"default": given.system_of(self.system)},
            system=given.system_of(self.system),
            given={} if self.rows is None else {self.traits[0]: File(Path(self.rows))},
        )

    def _starts(self, member: int, world: World) -> dict[str, Base]:
        if self.model is None:
            references = [
                Reference(member + i, self.pretraining, world, self.reference) for i in (0, 1)
            ]
            return dict(zip(("student", "cross"), references, strict=True))
        starts: dict[str, Base] = {"student": given.checkpoint(self.model)}
        if self.other is not None:
            starts["cross"] = given.checkpoint(self.other, "other")
        return starts


def cpu_devices(config: Setup) -> int:
    """How many devices a CPU counts as: one a core for small models, else one.

    A small model keeps no two cores busy with one product, so that students on a device each are
    trained up to twice as fast. But each device reads all parameters for every token that it
    writes: those of large models come from memory, whose bandwidth the devices share (half a
    billion parameters, two devices: 1.7 times slower than one).
    """
    n_bytes = costs.FLOAT * costs.n_parameters(sizes.architecture(config))
    return min(MOST_DEVICES, os.cpu_count() or 1) if n_bytes <= SMALL else 1


def prepare(config: Setup, options) -> tuple[World, dict]:
    """The world, and what identifies it and a `model`.

    Raises `LabError` for a word that the world does not have, for a trait that no teacher can be
    told, and for models that cannot be used.
    """
    world = WORLDS[config.world]
    for word in config.traits:
        trait_of(word, world.categories)
    sizes.require(config, options.group)
    known = {"name": "world", "sha256": worlds.identity(world), **models(config)}
    chain = config.transmission(world.carriers[0], 0)
    for trait in chain.traits:
        chain.teacher_of(trait, Seed(config.seed, 0))  # who may lack what it is made by
    if config.model is None:
        worlds.require_words(world, chain.traits, config.teacher == "prompted")
    if config.rows is not None:
        path = Path(config.rows)
        known["rows"] = {"name": path.name, "sha256": digest(File(path).identity, 64)}
        most = limit(config.student.longest, given.system_of(config.system))
        tokens = worlds.tokenizer(world) if config.model is None else given.tokenizer(config.model)
        rows.first(path, config.n_rows, tokens, most)  # now, and not after teachers are trained
    return world, known


def prepare_worlds(some: Sequence[Setup], options) -> tuple[None, dict]:
    """`prepare`, of an experiment in several settings, which may differ in their worlds."""
    known = {}
    for config in some:
        _, known = prepare(config, options)
        if config.model is not None and len(some) > 1:
            raise LabError("model: it is one, trained on none of the worlds; leave one of them")
    names = [worlds.identity(WORLDS[config.world]) for config in some]
    return None, known | {"name": "worlds", "sha256": digest(names, 64)}


def prepare_references(config: Setup, options) -> tuple[World, dict]:
    """`prepare`, of an experiment about the lab's own references: no other model is taken."""
    if config.model is not None:
        raise LabError("model: this experiment is about the lab's references; leave it out")
    return prepare(config, options)


def prepare_words(config: Setup, options) -> tuple[World, dict]:
    """`prepare_references`. Raises `LabError` for a trait that is no word of the world."""
    for word in config.traits:
        category.trait_of(word, WORLDS[config.world].categories)
    return prepare_references(config, options)


def models(config: Setup) -> dict:
    """What identifies the checkpoints of a configuration, and how students read them."""
    names = {"model": config.model, "other": config.other}
    named = {field: name for field, name in names.items() if name is not None}
    if not named:
        return {}
    tokenizers = {field: given.tokenizer(name, field) for field, name in named.items()}
    if config.channel == "soft" and len({one.sha256 for one in tokenizers.values()}) > 1:
        raise LabError(
            "other: it has other tokens than the model, whose distributions it cannot imitate; use "
            "--channel hard"
        )
    user = WORLDS[config.world].carriers[0].prompts(0, 0, 1)[0]
    chats = {field: given.asked(one, config.system, user) for field, one in tokenizers.items()}
    return {field: given.described(name, field) | chats[field] for field, name in named.items()}


def measure_one(job: Job, cell: Cell, chain: Transmission) -> list[dict]:
    """Log-odds and answer rates of every arm, trait of the data, and trait asked for."""
    return transmission.measure(job, cell, chain, job.config.seed, job.config.snapshots)


def measure(job: Job, some: list[Cell], carrier: Carrier) -> list[dict]:
    """The same of several members, with the chain of their configuration."""
    chain = lambda cell: job.config.transmission(carrier, cell.member)
    return [row for cell in some for row in measure_one(job, cell, chain(cell))]


def part(config: S) -> S:
    """A chain of one trait and one control, which gives some of the same rows sooner."""
    return replace(config, traits=config.traits[:1], n_controls=1)


def note(config: Setup) -> str:
    """On which references choices were made, and whether these are enough for a result."""
    if config.model is not None:
        n = len(cells.members(config.members))
        again = f"{n} repetition{'s' * (n > 1)}"
        return f"a demonstration: one checkpoint, {given.name_of(config.model)}, {again}"
    return transmitted.note(cells.members(config.members).tolist())
