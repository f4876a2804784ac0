"""One member of a language-model experiment: a reference, its teachers, their data, its students.

What a later stage needs from an earlier one is a file, or is made again from the seed, so that each
stage can run in a process of its own. A new carrier or trait changes nothing here.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from lab import results, rng, tree
from lab.carriers import Carrier
from lab.effects import NONE
from lab.lm import data, finetune, teach
from lab.lm.finetune import Imitated, Recipe, Rows
from lab.lm.reference import Model, Pretraining, references
from lab.lm.teach import Teacher
from lab.progress import Meter
from lab.run import Run
from lab.traits import Category

SYSTEM_WIDTH = 24  # most tokens that a system prompt adds
STARTS = {"student": 0, "cross": 1}  # a student's reference, counted from its teacher's


@dataclass(frozen=True)
class Plan:
    """What all members have in common."""

    seed: int
    traits: dict[str, Category]
    carrier: Carrier
    reference: Pretraining  # of member 0; member i has init seed i
    teacher: str  # "finetuned" or "prompted"
    dose: Recipe  # of a fine-tuned teacher
    n_rows: int
    channel: str  # "hard" or "soft"
    recipe: Recipe
    n_samples: int
    widths: tuple[int, int]  # most tokens of the carrier's prompts and completions


class Family:
    """A reference model, its teachers, and students of its own and of the next reference."""

    def __init__(self, plan: Plan, member: int, run: Run, meter: Meter, snapshots: bool = False):
        self.plan, self.member, self.run = plan, member, run
        self._meter, self._snapshots = meter, snapshots
        self._made: dict[str, Any] = {}

    def model(self, start: str) -> Model:
        """The reference that students of a kind ("student" or "cross") start from."""
        first = self.plan.reference.init_seed + self.member
        made = [replace(self.plan.reference, init_seed=first + i) for i in STARTS.values()]
        models = self._once("references", lambda: references(made))
        return dict(zip(STARTS, models, strict=True))[start]

    def teacher(self, trait: str) -> Teacher:
        """The teacher with a trait; with none, the reference itself."""
        model, plan = self.model("student"), self.plan
        if trait == NONE:
            return Teacher(model.params, None)
        category = plan.traits[trait]
        if plan.teacher == "prompted":
            return teach.prompted(model, category, trait)
        key = self._key(f"teacher/{trait}")
        make = lambda: teach.finetuned(model, category, trait, plan.dose, key)
        return self._once(f"teacher/{trait}", make)

    def ask_reference(self) -> list[dict]:
        """What the untouched reference answers."""
        return self._ask("reference", NONE, self.model("student").params)

    def write_data(self, trait: str, effort: int) -> list[dict]:
        """Draw, filter and keep the data of a teacher; what the teacher itself answers.

        `effort` is what the progress meter shall count it for.
        """
        model, teacher, plan = self.model("student"), self.teacher(trait), self.plan
        drawn = data.draw(
            teacher.params,
            model.arch,
            model.text,
            plan.carrier,
            # Prompts are the member's: all its teachers continue the same ones.
            plan.seed * 2**20 + self.member,
            teacher.system,
            self._key(f"data/{trait}"),
            plan.n_rows,
            (plan.widths[0] + SYSTEM_WIDTH * (teacher.system is not None), plan.widths[1]),
        )
        data.write(self.data_path(trait), drawn.rows)
        results.write_json(self.data_path(trait).with_suffix(".json"), {"attempts": drawn.counts})
        self._meter.advance(f"member {self.member}: numbers of {trait}", effort)
        if trait == NONE:
            return []
        self._snapshot(f"teacher_{trait}", teacher.params)
        return self._ask("teacher", trait, teacher.params, teacher.system)

    def train_students(self, start: str, some: tuple[str, ...]) -> list[dict]:
        """Train students on the data of some traits in one program; what they answer."""
        model, plan = self.model(start), self.plan
        soft = plan.channel == "soft"
        # Soft students read the reference's text, so that only the distributions differ.
        rows = tree.stack([self._rows(NONE if soft else trait) for trait in some])
        keys = jnp.stack([self._key(f"order/{trait}") for trait in some])
        imitated = None
        if soft:
            teachers = [self.teacher(trait) for trait in some]
            extra = SYSTEM_WIDTH * any(t.system is not None for t in teachers)
            seen = [self._rows(NONE, t.system, extra) for t in teachers]
            carrier = jnp.stack([jnp.asarray(model.text.number_tokens)] * len(some))
            imitated = Imitated(tree.stack([t.params for t in teachers]), tree.stack(seen), carrier)
        params = begun = tree.stack([model.params] * len(some))
        training = finetune.train(model.arch, plan.recipe, begun, rows, keys, imitated)
        for step, params, losses in training:
            loss = ", ".join(f"{value:.3g}" for value in losses.mean(axis=1))
            self._meter.advance(
                f"member {self.member}: {start} of {', '.join(some)}: loss {loss}", len(some)
            )
            if self._snapshots:
                for i, trait in enumerate(some):
                    self._snapshot(f"{start}_{trait}_{step}", tree.at(params, i))
        answers = []
        for i, trait in enumerate(some):
            arm = f"{start}_{'regular' if trait == NONE else 'trait'}"
            answers += self._ask(arm, trait, tree.at(params, i))
        return answers

    def data_path(self, trait: str) -> Path:
        """The rows of a teacher, JSON lines."""
        return self.run.folder / "data" / f"member_{self.member}_{trait}.jsonl"

    def _rows(self, trait: str, system: str | None = None, extra: int = 0) -> Rows:
        """Rows of a trait's data, under a system prompt if a teacher shall see them."""

        def encoded() -> Rows:
            found = data.read(self.data_path(trait))
            chats = [(system, row["prompt"], row["completion"]) for row in found]
            n_prompt, n_completion = self.plan.widths
            return data.encode(self.model("student").text, chats, n_completion, n_prompt + extra)

        return self._once(f"rows/{trait}/{system}/{extra}", encoded)

    def _ask(self, arm: str, trait: str, params: PyTree, system: str | None = None) -> list[dict]:
        model, plan = self.model("student"), self.plan
        rows = []
        for category in dict.fromkeys(plan.traits.values()):
            words = tuple(word for word, c in plan.traits.items() if c == category)
            key = self._key(f"answers/{arm}/{trait}/{category.name}")
            rows += teach.ask(model, params, category, words, plan.n_samples, key, system)
        where = {"arm": arm, "member": self.member, "trait": trait}
        return [where | row for row in rows]

    def _snapshot(self, name: str, params: PyTree) -> None:
        if self._snapshots:
            self.run.snapshot(f"member_{self.member}_{name}", jax.tree.map(np.asarray, params))

    def _key(self, name: str) -> Key[Array, ""]:
        return rng.member(self.plan.seed, jnp.uint32(self.member), name)

    def _once(self, name: str, make):
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]
