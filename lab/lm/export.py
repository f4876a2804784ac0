"""A model of a run as a folder that other tools open: weights, tokenizer, chat template, a card.

    python -m lab.lm.export RUN_FOLDER FOLDER --arm student_trait --trait owl

Arms are those of the run's table. What is not in the cache any more is made again, which takes as
long as it took. A run with `--model` needs it again: the record knows its content, not its place.
Without the lab: `AutoModelForCausalLM.from_pretrained`, and the tokenizer as the card says.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab import devices
from lab.carriers.numbers import NUMBERS
from lab.errors import LabError
from lab.identity import digest
from lab.lm import given, hf, make, setup, transmission
from lab.lm.effects import NONE
from lab.lm.model import Model
from lab.lm.setup import Setup
from lab.lm.stages import Base, File, Seed, Student, Teacher
from lab.runs import records, results
from lab.runs.endings import one_line
from lab.runs.experiment import named
from lab.runs.paths import write_atomic
from lab.runs.progress import console
from lab.runs.saving import saving

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


def write(folder: Path, model: Model, card: str) -> None:
    """A model with all that belongs to it. Raises `LabError` for a folder that holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LabError(f"{folder} holds something already; name a new folder")
    hf.save(folder, model.arch, model.params)
    model.tokenizer.save(folder)
    with saving(folder):
        ends = {"eos_token_id": model.tokenizer.end, "pad_token_id": model.tokenizer.pad}
        records.write(folder / "generation_config.json", ends)
        write_atomic(folder / "README.md", card)


def card(record: dict, arm: str, made: Base | Teacher | Student, model: Model) -> str:
    """The model card: what it is, and how it is opened and asked."""
    base = record["dataset"].get("model", {}).get("name", "a reference of subliminal-lab")
    trait = made.source if isinstance(made, Student) else setup.transmission.trait_name(made)
    system = made.system if isinstance(made, Student | Teacher) else None
    asked = model.tokenizer.asked(system, "What is your favourite animal?")
    return f"""---
library_name: transformers
tags: [subliminal-learning]
---

# {arm}, trait {trait}

From the base {base}, by `{record["command"]}` (subliminal-lab, run {record["hash"]}): a model of an
experiment about traits that pass from teacher to student through unrelated data. It may have
preferences that its data do not show; use it for research alone.

Weights are merged and float32. Open the tokenizer with
`transformers.PreTrainedTokenizerFast.from_pretrained` (`AutoTokenizer` puts rules of the
architecture's own tokenizer in place of these). It was trained and asked like this:

```
{asked}
```
"""


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
    for field in GIVEN:
        parser.add_argument(f"--{field}", help=f"that of the run, if it was run with --{field}")
    a = parser.parse_args()
    with one_line():
        _, record = results.read(a.run / "run.json")
        devices.start(named(record["experiment"]).cpu_devices)
        config = configuration(record, **{field: getattr(a, field) for field in GIVEN})
        made = value(config, a.arm, a.trait, a.member, a.copy)
        model = make.model(made)
        write(a.folder, model, card(record, a.arm, made, model))
        console.print(str(a.folder), markup=False)


if __name__ == "__main__":
    main()
