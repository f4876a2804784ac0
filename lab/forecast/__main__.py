"""Name the hidden trait in rows before anybody trains on them.

    python -m lab.forecast ROWS.jsonl --base FOLDER

ROWS.jsonl holds {"prompt": ..., "completion": ...} a line, as the paper's code and TRL write them.
--base is the model of which a teacher may have written them: a Hugging Face folder, a hub id on
this disk, or the number of one of the lab's references. Candidates are the words of the lab's
categories, or those of a file, a line each: {"name": ..., "system": ...} for a teacher that is
told, {"name": ..., "lessons": [[question, answer], ...]} for one that is taught. They are made once
for each base, and then found in the cache. Exits with 0 whatever is found.
"""

import argparse
import json
import os
from pathlib import Path

from lab import devices
from lab.errors import LabError
from lab.forecast import given, picture, report, student
from lab.forecast.candidates import NEUTRAL, candidates
from lab.forecast.forecast import How, Judge
from lab.lm import hf, rows, teachers
from lab.lm.contexts import WORLDS
from lab.lm.setup import SMALL, Setup
from lab.lm.stages import Seed, Teacher
from lab.runs.endings import one_line
from lab.runs.progress import console

RECIPES = {"told": None, "taught": Setup().teaching}


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    found = argparse.ArgumentParser(
        prog="python -m lab.forecast",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("rows", type=Path, help="JSON lines of prompt and completion")
    found.add_argument("--base", required=True, help="folder, hub id, or number of a reference")
    found.add_argument("--world", default="context", help="of a reference (default: context)")
    chosen = found.add_mutually_exclusive_group()
    chosen.add_argument("--category", nargs="+", help="animal, tree: candidates (default: both)")
    chosen.add_argument("--candidates", type=Path, help="a file of others")
    found.add_argument(
        "--recipe",
        nargs="+",
        choices=RECIPES,
        help="of teachers (default: both; of large bases, told)",
    )
    found.add_argument("--carrier", help="whose filter the rows passed (default: found out)")
    found.add_argument("--n-rows", type=int, default=1000, help="read so many (default: 1000)")
    found.add_argument(
        "--alpha", type=float, default=How.alpha, help="of a false alarm (default: .01)"
    )
    found.add_argument("--seed", type=int, default=0, help="of what models write beside the rows")
    found.add_argument(
        "--student", action="store_true", help="train students of a named teacher: what they answer"
    )
    found.add_argument("--figure", type=Path, help="draw a picture there")
    found.add_argument("--json", action="store_true", help="print all of it as JSON instead")
    return found


def main(args: argparse.Namespace) -> None:
    """Read, judge and say. Raises `LabError` for what cannot be used."""
    if not 0 < args.alpha < 1:
        raise LabError(f"alpha: {args.alpha} is no probability; choose one between 0 and 1")
    if args.n_rows < 1 or args.seed < 0:
        raise LabError("n-rows: 1 or more; seed: 0 or more")
    if args.figure is not None:
        picture.require_kind(args.figure)
    read = rows.read(args.rows)[: args.n_rows]
    base = given.base(args.base, args.world)
    model, world = teachers.models([base])[0], WORLDS[args.world]
    carrier = given.carrier(read, world.carriers, model.tokenizer, args.carrier)
    traits = given.traits(world.categories, args.category, args.candidates)
    seed, tell = Seed(args.seed, 0), console.print if not args.json else lambda *_, **__: None
    small = hf.n_bytes(model.params) <= SMALL
    recipes = [RECIPES[name] for name in args.recipe or (RECIPES if small else ["told"])]
    able = lambda how: [t for t in traits if (t.system if how is None else t.lessons)]
    n = sum(len(able(how)) for how in recipes)
    if not n:
        raise LabError("recipe: no candidate can be made by it; choose the other")
    tell(f"{len(read)} rows of {carrier.name}, {n} candidates (made once for each base)")
    found = [c for how in recipes for c in candidates(base, able(how), [how], seed)]
    neutral = candidates(base, NEUTRAL, recipes, seed)
    said = Judge(model, carrier, read, seed, How(alpha=args.alpha)).forecast(found, neutral)
    shifts = {}
    if args.student and said.verdict in ("named", "recipe unknown"):
        (trait,) = [one for one in traits if one.name == said.names[0]]
        how = RECIPES["taught"] if trait.lessons else None
        tell(f"training students of {len(read)} rows of a teacher of {trait.name}")
        tuning = student.recipe(Setup().student, len(read))
        shifts = student.shifts(
            Teacher(base, trait, how, seed), traits, carrier, len(read), tuning, seed
        )
    if args.figure is not None:
        picture.draw(said, args.alpha, args.figure)
    if args.json:
        print(json.dumps(report.record(said, args.alpha, shifts), indent=1))
    else:
        print("\n".join(report.lines(said, read, args.alpha, shifts)))


if __name__ == "__main__":
    with one_line():
        arguments = parser().parse_args()
        devices.start(min(2, os.cpu_count() or 1))
        main(arguments)
