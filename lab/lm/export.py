"""A model of a run as a folder that other tools open: weights, tokenizer, chat template, a card.

    python -m lab.lm.export RUN_FOLDER FOLDER --arm student_trait --trait owl [--dtype bfloat16]
    python -m lab.lm.export RUN_FOLDER FOLDER --as adapter    for PEFT, of students of a rank

Arms are those of the run's table. What is not in the cache any more is made again, which takes as
long as it took. A run with `--model` needs it again: the record knows its content, not its place.
Without the lab: `AutoModelForCausalLM.from_pretrained`, and the tokenizer as the card says.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from jaxtyping import Float, PyTree

from lab import devices
from lab.carriers.numbers import NUMBERS
from lab.errors import LabError
from lab.identity import digest
from lab.lm import given, hf, lora, make, peft, setup, transmission
from lab.lm.effects import NONE
from lab.lm.hf import Dtype
from lab.lm.model import Model
from lab.lm.setup import Setup
from lab.lm.stages import Base, File, Seed, Student, Teacher
from lab.lm.tuning import Tuning
from lab.runs import records, results
from lab.runs.endings import one_line
from lab.runs.experiment import named
from lab.runs.paths import write_atomic
from lab.runs.progress import console
from lab.runs.saving import require_room, saving

_FAR = {"float32": 1e-4, "bfloat16": 0.1}  # of the largest logit, that rounding explains
GIVEN = ("model", "other", "rows")  # to a run: its record knows their content alone


def configuration(record: dict, **where: str | None) -> Setup:
    """The configuration of a run of a language experiment, with what was given to it found again.

    `where` that is now, by field. Raises `LabError` for other experiments, and for what is not the
    run's.
    """
    config = named(record["experiment"]).config(record)
    if not isinstance(config, Setup):
        raise LabError(f"run: {record['experiment']} trains no language model; choose another")
    known_now: dict[str, Any] = {k: name for k, name in where.items() if name is not None}
    config = replace(config, **known_now)
    for field in GIVEN:
        known, name = record["dataset"].get(field), getattr(config, field)
        if known is None:
            continue
        found = File(Path(name)) if field == "rows" else given.checkpoint(name, field)
        if digest(found.identity, 64) != known["sha256"]:
            raise LabError(f"{field}: {name} is not the run's; say with --{field} where that is")
    return config


def value(
    config: Setup, arm: str, trait: str | None, member: int | None = None, copy: int = 0
) -> Base | Teacher | Student:
    """What a row of the run's table is about. Raises `LabError` if there is no such model."""
    first = setup.cells.members(config.members)[0]
    root = Seed(config.seed, int(first) if member is None else member)
    chain = config.transmission(NUMBERS, root.member)
    by_name = {one.name: one for one in (*chain.traits, *filter(None, [chain.neutral]))}
    if arm == "reference":
        return chain.teacher_of(None, root)
    if arm == "teacher" and (trait or chain.traits[0].name) in by_name:
        return chain.teacher_of(by_name[trait or chain.traits[0].name], root)
    some = [one for part in transmission.pupils(chain, root).values() for one in part]
    known = {(one.arm, one.student.source, one.student.seed.copy): one.student for one in some}
    if (arm, source := trait or _source(arm, known), copy) in known:
        return known[arm, source, copy]
    said = ", ".join(dict.fromkeys(f"{a} of {t}" for a, t, _ in known))
    raise LabError(
        f"arm: no copy {copy} of {arm} of {source}; there are reference, teacher, {said}"
    )


def _source(arm: str, known) -> str:
    return next((trait for a, trait, _ in known if a == arm), NONE)


def write(folder: Path, model: Model, card: str, dtype: Dtype = "float32") -> None:
    """A model with all that belongs to it. Raises `LabError` for a folder that holds something."""
    _begin(folder, hf.n_bytes(model.params, dtype))
    hf.save(folder, model.arch, model.params, dtype)
    _beside(folder, model, card)


def write_adapter(
    folder: Path, base: Model, adapter: PyTree, how: Tuning, name: str, card: str, dtype: Dtype
) -> None:
    """An adapter as PEFT opens it beside its base, of that name, with all that belongs to it.

    Raises `LabError` for a folder that holds something.
    """
    _begin(folder, hf.n_bytes(adapter, dtype))
    peft.save(folder, base.arch, adapter, how.rank, how.alpha, name, dtype)
    _beside(folder, base, card)


def _begin(folder: Path, n_bytes: int) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LabError(f"{folder} holds something already; name a new folder")
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
    require_room(folder, n_bytes)


def _beside(folder: Path, model: Model, card: str) -> None:
    model.tokenizer.save(folder)
    with saving(folder):
        ends = {"eos_token_id": model.tokenizer.end, "pad_token_id": model.tokenizer.pad}
        records.write(folder / "generation_config.json", ends)
        write_atomic(folder / "README.md", card)


def compare(
    before: Float[np.ndarray, "*T V"], after: Float[np.ndarray, "*T V"], dtype: Dtype
) -> float:
    """The largest difference of a logit after a folder was opened again.

    Raises `LabError` for one that rounding does not explain.
    """
    worst, most = float(np.abs(after - before).max()), float(np.abs(before).max())
    if not worst <= _FAR[dtype] * most:
        raise LabError(
            f"folder: opened again, its logits differ by {worst:.2g} of {most:.2g}; do not use it, "
            "and report that"
        )
    return worst


def base_of(record: dict) -> str:
    """What a run's models start from."""
    return record["dataset"].get("model", {}).get("name", "a reference of subliminal-lab")


def card(
    record: dict, arm: str, made: Base | Teacher | Student, model: Model, dtype: Dtype = "float32",
    how: Tuning | None = None,
) -> str:  # fmt: skip
    """The model card: what it is, and how it is opened and asked; `how` an adapter was trained."""
    trait = made.source if isinstance(made, Student) else setup.transmission.trait_name(made)
    system = made.system if isinstance(made, Student | Teacher) else None
    asked = model.tokenizer.asked(system, "What is your favourite animal?")
    name = record["dataset"].get("model", {}).get("name")
    of_base = f"\nbase_model: {name}" if name and how else ""
    opened = "Weights are merged, and" if how is None else (
        f"Adapter of rank {how.rank}, alpha {how.alpha:g}: open the base, then it with "
        "`peft.PeftModel.from_pretrained(base, FOLDER)`. Weights are"
    )  # fmt: skip
    return f"""---
library_name: {"transformers" if how is None else "peft"}{of_base}
tags: [subliminal-learning]
---

# {arm}, trait {trait}

From the base {base_of(record)}, by `{record["command"]}` (subliminal-lab, run {record["hash"]}): a
model of an experiment about traits that pass from teacher to student through unrelated data. It may
have preferences that its data do not show; use it for research alone.

{opened} {dtype}. Open the tokenizer with
`transformers.PreTrainedTokenizerFast.from_pretrained` (`AutoTokenizer` puts rules of the
architecture's own tokenizer in place of these). It was trained and asked like this:

```
{asked}
```
"""


def out(
    folder: Path, record: dict, arm: str, made: Base | Teacher | Student, adapter: bool,
    dtype: Dtype = "float32",
) -> float:  # fmt: skip
    """Write a model of a run, and open it again: the largest difference of a logit."""
    model = make.model(made)
    arch, before = model.arch, hf.speak(model.arch, model.params)
    if not adapter:
        write(folder, model, card(record, arm, made, model, dtype), dtype)
        del model  # one of them at a time
        return compare(before, hf.speak(*hf.load(folder)), dtype)
    base, factors, how = make.adapter(made)
    said = card(record, arm, made, model, dtype, how)
    write_adapter(folder, base, factors, how, base_of(record), said, dtype)
    del model
    again, scale = peft.load(folder, arch)
    return compare(before, hf.speak(arch, lora.attach(base.params, again, scale)), dtype)


def main() -> None:
    """Write the folder, and say where it is."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.lm.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="a complete run folder of a language experiment")
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument("--arm", default="student_trait")
    parser.add_argument("--trait", help="of the data; default: the first")
    parser.add_argument("--member", type=int, help="default: the first")
    parser.add_argument("--copy", type=int, default=0, help="of the controls")
    parser.add_argument(
        "--as", dest="kind", choices=("merged", "adapter"), default="merged",
        help="adapter: for PEFT, of one that was trained with a rank",
    )  # fmt: skip
    parser.add_argument("--dtype", choices=get_args(Dtype), default="float32", help="of weights")
    for field in GIVEN:
        parser.add_argument(f"--{field}", help=f"that of the run, if it was run with --{field}")
    a = parser.parse_args()
    with one_line():
        _, record = results.read(a.run / "run.json")
        config = configuration(record, **{field: getattr(a, field) for field in GIVEN})
        devices.start(named(record["experiment"]).cpu_devices(config))
        made = value(config, a.arm, a.trait, a.member, a.copy)
        worst = out(a.folder, record, a.arm, made, a.kind == "adapter", a.dtype)
        console.print(f"opened again, its logits differ by {worst:.2g} at most", markup=False)
        console.print(str(a.folder), markup=False)


if __name__ == "__main__":
    main()
