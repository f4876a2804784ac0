"""Recompute one member of every committed table and compare.

Run:     python -m experiments.replay [NAME ...] [--member K]
Time:    about half a minute a table on 2 CPU cores.
Expect:  differences of 0 on the machine and versions that made a table, and within tolerances on
         others: sums are rounded in another order there, and training amplifies that.
Exits with 1 if a table does not replay. A table whose dataset is not on disk is skipped, by name.
"""

import argparse
import dataclasses
import importlib
import tempfile
from pathlib import Path

from lab import cli, devices, results
from lab.errors import LabError
from lab.run import Run, config_from

RESULTS = Path(__file__).parent / "results"
# By unit; LOG.md has the differences that were measured between machines.
TOLERANCE = {"nats": 0.3, "fraction of steps": 0.5}
OTHERWISE = 0.02
CHEAP_SECONDS = 60  # a member's share of a run that tests can afford to recompute


def names() -> list[str]:
    """The committed tables."""
    return sorted(path.stem for path in RESULTS.glob("*.json"))


def cheap(name: str) -> bool:
    """Whether a member takes less than `CHEAP_SECONDS` to recompute, by the table's own record."""
    record = results.read_json(RESULTS / f"{name}.json")
    sittings = record.get("sittings", [record])
    n_members = len({row["member"] for row in results.read_rows(RESULTS / f"{name}.csv")})
    return sum(s["wall_seconds"] for s in sittings) / n_members < CHEAP_SECONDS


def within(name: str, worst: dict[str, float]) -> bool:
    """Whether differences are no larger than other machines may cause."""
    units = results.read_json(RESULTS / f"{name}.json")["units"]
    return all(d <= TOLERANCE.get(units[value], OTHERWISE) for value, d in worst.items())


def replay(name: str, member: int | None = None) -> tuple[int, dict[str, float]]:
    """(member, largest difference in each measured column), the first member by default.

    Raises `LabError` if the dataset is not the one of the table.
    """
    record = results.read_json(RESULTS / f"{name}.json")
    committed = results.read_rows(RESULTS / f"{name}.csv")
    member = committed[0]["member"] if member is None else member
    expected = [row for row in committed if row["member"] == member]
    if not expected:
        raise LabError(f"member: {name} has no member {member}")
    experiment = importlib.import_module(f"experiments.{record['experiment']}")
    config = config_from(experiment.Config, record["config"])
    # "auto" is MNIST where that is on disk and never asks the network.
    data_name = "digits" if record["dataset"]["name"] == "digits" else "auto"
    config = dataclasses.replace(config, members=f"{member}:{member + 1}")
    if hasattr(config, "dataset"):
        config = dataclasses.replace(config, dataset=data_name)
    options = cli.Options()
    data, dataset = experiment.prepare(config, options)
    if dataset != record["dataset"]:
        raise LabError(f"dataset: {name} needs {record['dataset']['name']}, which is not on disk")
    with (
        tempfile.TemporaryDirectory() as folder,
        Run(Path(folder), record["experiment"], config, dataset) as run,
    ):
        rows = experiment.main(config, data, run, options).rows
    # Numbers that were drawn may differ in their last digits between versions.
    short = lambda value: f"{value:.5g}" if isinstance(value, float) else value
    place = lambda row: tuple(short(v) for k, v in row.items() if k not in record["units"])
    found = {place(row): row for row in rows}
    if set(found) != {place(row) for row in expected}:
        raise LabError(f"{name}: the experiment no longer measures the committed rows")
    return member, {
        value: max(abs(found[place(row)][value] - row[value]) for row in expected)
        for value in record["units"]
    }


def main() -> None:
    """Replay the named tables, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="committed tables; default: all")
    parser.add_argument("--member", type=int, help="which member; default: each table's first")
    arguments = parser.parse_args()
    try:
        devices.start()
    except LabError as error:
        cli.fail(str(error))
    failed = False
    for name in arguments.names or names():
        try:
            member, worst = replay(name, arguments.member)
        except LabError as error:
            print(f"{name}: skipped, {error}")
            failed |= not str(error).startswith("dataset:")
            continue
        verdict = "ok" if within(name, worst) else "DIFFERS"
        failed |= not within(name, worst)
        largest = ", ".join(f"{value} by {d:.4f}" for value, d in worst.items())
        print(f"{name}: member {member} differs in {largest} at most: {verdict}")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
