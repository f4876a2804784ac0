"""Recompute one cell of every committed table and compare; or measure what is left to machines.

Run:     python -m experiments.replay [NAME ...] [--members A:B] [--part]
         python -m experiments.replay NAME ... --measure [SETTING ...]    (other Pythons too)
Time:    about half a minute a table on 2 CPU cores; language tables 4 to 10 minutes, less in part.
Expect:  differences of 0 on the machine and versions that made a table, and within tolerances on
         others. Tolerances follow from experiments/replay.json, which --measure writes.
Exits with 1 if a table does not replay, with 2 if it cannot. Only a table of MNIST is skipped,
where MNIST is not on disk. Nothing is taken from the cache but compiled programs.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import jax

from lab import devices
from lab.errors import LabError
from lab.runs import checkout, records, replay, results
from lab.runs.endings import one_line
from lab.runs.replay import SETTINGS, AbsentDataError, Distance

RESULTS, SPREAD = (Path(__file__).parent / name for name in ("results", "replay.json"))


def names() -> list[str]:
    """The committed tables."""
    return sorted(path.stem for path in RESULTS.glob("*.json"))


def spread() -> dict[str, replay.Spread]:
    """What was measured of every table."""
    kind = dict[str, dict[str, dict[str, tuple[float, float]]]]
    return records.read(SPREAD, kind, f"restore it: git checkout -- {SPREAD}")


def tolerances(name: str, part: bool = True) -> dict[str, Distance]:
    """How far a table's columns may be, in a part or a whole cell; {} if never measured."""
    return replay.tolerances(spread().get(name, {}), part)


def distances(name: str, members: str | None = None, part: bool = False) -> dict[str, Distance]:
    """How far a table is from what is measured now, on as many devices as it was made on."""
    committed, record = results.read(RESULTS / f"{name}.json")
    devices.start(record["sittings"][0]["device"]["count"])
    rows = replay.recompute(record, committed, members, part)
    return replay.distances(record, committed, rows, part)


def measure(name: str, settings: list[str], options: list[str]) -> None:
    """Store a table's distances in some settings; the widest, where another machine's are there."""
    versions = f"Python {platform.python_version()}, jax {jax.__version__}"
    units = results.read_record(RESULTS / f"{name}.json")["units"]
    for setting in settings:
        command = [sys.executable, "-m", "experiments.replay", name, "--json", *options]
        there = os.environ | SETTINGS[setting]
        child = subprocess.run(command, env=there, stdout=subprocess.PIPE, text=True)
        if child.returncode:
            raise SystemExit(child.returncode)
        known = spread()
        kept = {k: v for k, v in known.get(name, {}).items() if list(v) == list(units)}
        label = ", ".join([versions, setting, *options])
        found = json.loads(child.stdout.splitlines()[-1])
        kept[label] = replay.widest([found, kept.get(label, found)])
        records.write(SPREAD, known | {name: kept})
        print(f"{name}: {label}: {replay.said(kept[label])}", flush=True)


def main() -> None:
    """Replay the named tables, or all of them, each in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("names", nargs="*", help="committed tables; default: all")
    add("--members", help="which; default: each table's first, and its first cell")
    add(replay.PART, action="store_true", help="the part an experiment names for this")
    add("--measure", nargs="*", choices=SETTINGS, help="store distances")
    add("--json", action="store_true", help="print distances, judge nothing")
    with one_line():
        run(parser.parse_args())


def run(arguments: argparse.Namespace) -> None:
    """What the command line asks for."""
    chosen = arguments.names or names() or [""]
    if unknown := set(chosen) - set(names()):
        raise LabError(f"name: {min(unknown)!r} is no table of {RESULTS} ({', '.join(names())})")
    options = [f"--members={arguments.members}"] if arguments.members else []
    options += [replay.PART] if arguments.part else []
    if arguments.measure is not None:
        checkout.root()
        for name in chosen:
            measure(name, arguments.measure or list(SETTINGS), options)
        return
    if len(chosen) > 1:
        command = [sys.executable, "-m", "experiments.replay"]
        failed = [subprocess.run([*command, name, *options]).returncode for name in chosen]
        raise SystemExit(any(failed))
    (name,) = chosen
    try:
        known = distances(name, arguments.members, arguments.part)
        far = [] if arguments.json else replay.too_far(known, tolerances(name, arguments.part))
    except LabError as error:
        if isinstance(error, AbsentDataError) and not arguments.json:
            return print(f"{name}: skipped, {error}")
        raise LabError(f"{name}: {error}") from error
    verdict = f"TOO FAR in {', '.join(far)}" if far else "ok"
    text = f"{name}: differs in {replay.said(known)}: {verdict}"
    print(json.dumps(known) if arguments.json else text)
    raise SystemExit(bool(far))


if __name__ == "__main__":
    main()
