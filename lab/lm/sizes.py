"""Whether a chain of references, teachers and students fits into memory, before it is begun."""

from typing import Any

from lab.lm import costs, finetune, given, hf, make
from lab.lm import world as worlds
from lab.lm.contexts import WORLDS
from lab.lm.finetune import Tuning
from lab.lm.model import SIZES, Architecture
from lab.lm.transmission import STUDENTS_AT_ONCE
from lab.runs import memory

_N_TOKENS = 70  # of a row, prompt and completion
_QUESTIONS, _ANSWER = 20, 1000  # questions to a trait; bytes of a sampled answer to one
READ, KEPT = 3700, 700  # bytes of a row while it is made into tokens, and after; measured
LOWER = "use a smaller size or rank, smaller batches, or fewer students at once (--group)"


def architecture(config: Any) -> Architecture:
    """Of a `Setup`'s models. Raises `LabError` for a checkpoint that cannot be used."""
    if config.model is not None:
        return hf.architecture(given.checkpoint(config.model).folder)
    n_tokens = worlds.tokenizer(WORLDS[config.world]).n_tokens
    return SIZES[config.pretraining.size].with_tokens(n_tokens)


def require(config: Any, group: int | None) -> None:
    """Raise `LabError`, which names what takes most, for a stage that does not fit into memory.

    `config` is a `Setup`.
    """
    how, kept = config.pretraining, min(make.MOST_KEPT, len(config.traits) + config.n_controls + 1)
    arch = architecture(config)
    if config.model is None:
        memory.require({"pretraining.n_rows": how.n_distinct * READ}, "use fewer rows")
    memory.require({"n_rows": config.n_rows * (READ + kept * KEPT)}, "use fewer rows or traits")
    memory.require({"n_samples": config.n_samples * _QUESTIONS * _ANSWER}, "use fewer samples")
    pupils = config.n_controls + len(config.traits) * (1 + len(config.shuffled))
    students = min(group or STUDENTS_AT_ONCE, pupils)
    training = [("student", config.student, students)]
    if config.model is None:
        training.append(("pretraining", how.tuning, 2))
    if config.teacher == "finetuned":
        training.append(("teaching", config.teaching, 1))
    for stage, tuning, n in training:
        base = "pretraining.size" if config.model is None else "model"
        memory.require_on_devices(_by_field(arch, stage, tuning, n, base), LOWER)


def _by_field(arch: Architecture, stage: str, tuning: Tuning, n: int, base: str) -> dict[str, int]:
    """What a device holds while n members of a base are trained, by field; `base` is its own."""
    rows = costs.rows_at_once(tuning)
    found = costs.training_bytes(arch, tuning, costs.members_here(n), _N_TOKENS, rows)
    batch = f"{stage}.batch" if rows > finetune.ROWS_ON_CPU else base
    parts = {base: found["model"], f"{stage}.rank": found["rank"]}
    return parts | {batch: parts.get(batch, 0) + found["batch"]}
