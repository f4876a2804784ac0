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
from lab.runs import cli, replay, results
from lab.runs.replay import AbsentDataError, Distance

RESULTS = Path(__file__).parent / "results"
SPREAD = Path(__file__).parent / "replay.json"
# What may differ between machines, as far as one machine can show it.
SETTINGS = {
    "as made": {},
    "one thread": {"PJRT_NPROC": "1"},
    "narrow vectors": {"XLA_FLAGS": "--xla_cpu_max_isa=AVX2"},
    "two devices": {"JAX_NUM_CPU_DEVICES": "2"},
    "four devices": {"JAX_NUM_CPU_DEVICES": "4"},
}


def names() -> list[str]:
    """The committed tables."""
    return sorted(path.stem for path in RESULTS.glob("*.json"))


def tolerances(name: str) -> dict[str, Distance]:
    """How far a table's columns may be; {} if that was never measured."""
    return replay.tolerances(results.read_json(SPREAD).get(name, {}))


def distances(name: str, members: str | None = None, part: bool = False) -> dict[str, Distance]:
    """How far a table is from what is measured now, on as many devices as it was made on."""
    record = results.read_json(RESULTS / f"{name}.json")
    committed = results.read_rows(RESULTS / f"{name}.csv")
    devices.start(results.sittings(record)[0]["device"]["count"])
    rows = replay.recompute(record, committed, members, part)
    return replay.distances(record, committed, rows, part)


def measure(name: str, settings: list[str], options: list[str]) -> None:
    """Store a table's distances in some settings beside those of other versions of Python."""
    versions = f"Python {platform.python_version()}, jax {jax.__version__}"
    units = results.read_json(RESULTS / f"{name}.json")["units"]
    for setting in settings:
        command = [sys.executable, "-m", "experiments.replay", name, "--json", *options]
        child = subprocess.run(
            command, env=os.environ | SETTINGS[setting], stdout=subprocess.PIPE, text=True
        )
        if child.returncode:
            raise SystemExit(child.returncode)
        spread = results.read_json(SPREAD) if SPREAD.exists() else {}
        kept = {k: v for k, v in spread.get(name, {}).items() if list(v) == list(units)}
        label = ", ".join([versions, setting, *options])
        kept[label] = json.loads(child.stdout.splitlines()[-1])
        results.write_json(SPREAD, spread | {name: kept})
        print(f"{name}: {label}: {said(kept[label])}", flush=True)


def said(known) -> str:
    """Distances as text."""
    return ", ".join(f"{k} by {typical:.2g} ({most:.2g})" for k, (typical, most) in known.items())


def main() -> None:
    """Replay the named tables, or all of them, each in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="committed tables; default: all")
    parser.add_argument("--members", help="which; default: each table's first, and its first cell")
    parser.add_argument("--part", action="store_true", help="the part an experiment names for this")
    parser.add_argument("--measure", nargs="*", choices=SETTINGS, help="store distances")
    parser.add_argument("--json", action="store_true", help="print distances, judge nothing")
    arguments = parser.parse_args()
    chosen = arguments.names or names()
    options = [f"--members={arguments.members}"] if arguments.members else []
    options += ["--part"] if arguments.part else []
    if arguments.measure is not None:
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
        far = [] if arguments.json else replay.too_far(known, tolerances(name))
    except LabError as error:
        if not isinstance(error, AbsentDataError) or arguments.json:
            cli.fail(f"{name}: {error}")
        print(f"{name}: skipped, {error}")
        return
    verdict = f"TOO FAR in {', '.join(far)}" if far else "ok"
    text = f"{name}: differs in {said(known)}: {verdict}"
    print(json.dumps(known) if arguments.json else text)
    raise SystemExit(bool(far))


if __name__ == "__main__":
    main()
