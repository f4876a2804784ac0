"""Recompute one cell of every committed table and compare.

Run:     python -m experiments.replay [NAME ...] [--member K]
Time:    about half a minute a table on 2 CPU cores.
Expect:  differences of 0 on the machine and versions that made a table, and within tolerances on
         others: sums are rounded in another order there, and training amplifies that.
Exits with 1 if a table does not replay, with 2 if it cannot. Only a table of MNIST is skipped,
where MNIST is not on disk. Nothing is taken from the cache but compiled programs.
"""

import argparse
import dataclasses
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from lab import cache, devices
from lab.errors import LabError
from lab.runs import cli, results
from lab.runs.experiment import Options, named
from lab.runs.run import Run

RESULTS = Path(__file__).parent / "results"
# By unit; LOG.md has the differences that were measured between machines.
TOLERANCE = {"nats": 0.3, "fraction of steps": 0.5}
OTHERWISE = 0.02


class AbsentDataError(LabError):
    """The table's dataset is not on disk."""


def names() -> list[str]:
    """The committed tables."""
    return sorted(path.stem for path in RESULTS.glob("*.json"))


def within(name: str, worst: dict[str, float]) -> bool:
    """Whether differences are no larger than other machines may cause; a nan never is."""
    units = results.read_json(RESULTS / f"{name}.json")["units"]
    return all(d <= TOLERANCE.get(units[value], OTHERWISE) for value, d in worst.items())


def replay(name: str, member: int | None = None) -> tuple[int, dict[str, float]]:
    """(member, largest difference in each measured column), of a member's first cell.

    Raises `AbsentDataError` if the table is of MNIST and MNIST is not on disk, `LabError` if it
    cannot be replayed for another reason.
    """
    record = results.read_json(RESULTS / f"{name}.json")
    committed = results.read_rows(RESULTS / f"{name}.csv")
    member = committed[0]["member"] if member is None else member
    experiment, options = named(record["experiment"]), Options()
    config = experiment.config(record)
    if record["dataset"]["name"] == "mnist":  # "auto" never asks the network
        config = dataclasses.replace(config, dataset="auto")
    config = dataclasses.replace(config, members=f"{member}:{member + 1}")
    data, dataset = experiment.prepare(config, options)
    if dataset != record["dataset"]:
        if record["dataset"]["name"] == "mnist":
            raise AbsentDataError(f"dataset: {name} needs MNIST, which is not on disk")
        raise LabError(f"dataset: {name} was made from another one")
    cell = experiment.cells(config)[0]
    of_cell = lambda row: all(row[k] == v for k, v in cell.columns.items())
    expected = [row for row in committed if of_cell(row)]
    if not expected:
        raise LabError(f"member: {name} has no member {member}")
    with (
        tempfile.TemporaryDirectory() as folder,
        cache.artifacts_in(Path(folder) / "artifacts"),
        Run(Path(folder), record["experiment"], config, dataset) as run,
    ):
        rows = experiment.measure(config, data, run, options, [cell])
    # Numbers that were drawn may differ in their last digits between versions.
    short = lambda value: f"{value:.5g}" if isinstance(value, float) else value
    place = lambda row: tuple(short(v) for k, v in row.items() if k not in record["units"])
    found = {place(row): row for row in rows}
    if set(found) != {place(row) for row in expected}:
        raise LabError(f"{name}: the experiment no longer measures the committed rows")
    return member, {
        value: float(np.max([abs(found[place(row)][value] - row[value]) for row in expected]))
        for value in record["units"]
    }


def main() -> None:
    """Replay the named tables, or all of them, each on as many devices as it was made on."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="committed tables; default: all")
    parser.add_argument("--member", type=int, help="which member; default: each table's first")
    arguments = parser.parse_args()
    chosen = arguments.names or names()
    if len(chosen) > 1:
        more = [f"--member={arguments.member}"] if arguments.member is not None else []
        command = [sys.executable, "-m", "experiments.replay"]
        failed = [subprocess.run([*command, name, *more]).returncode for name in chosen]
        raise SystemExit(any(failed))
    (name,) = chosen
    try:
        record = results.read_json(RESULTS / f"{name}.json")
        devices.start(named(record["experiment"]).cpu_devices)
        member, worst = replay(name, arguments.member)
    except AbsentDataError as error:
        print(f"{name}: skipped, {error}")
    except LabError as error:
        cli.fail(f"{name}: {error}")
    else:
        ok = within(name, worst)
        largest = ", ".join(f"{value} by {d:.4f}" for value, d in worst.items())
        print(f"{name}: member {member} differs in {largest}: {'ok' if ok else 'DIFFERS'}")
        raise SystemExit(not ok)


if __name__ == "__main__":
    main()
