"""Tables and their provenance: reading, writing, merging, summarising. numpy only, never jax.

A table is tidy: a dict of columns of equal length, one row per (arm, member, measurement point).
A record holds the digest of its table, and its own: neither is believed where they do not fit.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from lab import stats
from lab.errors import LabError
from lab.runs import paths, records
from lab.runs import rows as rules
from lab.runs.records import Complete, Record
from lab.stats import Estimate

Table = dict[str, np.ndarray]
FRESH = "rerun with --fresh to start over"


def write_table(path: Path, rows: Iterable[Mapping]) -> None:
    """Rows as CSV; floats keep every digit."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    paths.write_atomic(path, text.getvalue())


def read_rows(path: Path, cell: Iterable[str] = (), units: Iterable[str] = ()) -> list[dict]:
    """The rows of a CSV written by `write_table`, numbers as int or float.

    `cell` and `units` are the columns of a cell and the measured ones. Raises `LabError`, which
    names the file and the remedy, if it is not a table of the lab, or has not these columns.
    """
    remedy = remedy_of(path)
    data = records.whole(path, remedy)
    try:
        head, *lines = csv.reader(io.StringIO(data.decode(), newline=""))
        if len(set(head)) < len(head) or any(len(line) != len(head) for line in lines):
            raise ValueError("a row is cut, or a column is there twice")
        found = [dict(zip(head, map(_number, line), strict=True)) for line in lines]
    except (ValueError, csv.Error) as error:  # of unicode, of no line at all
        raise LabError(f"{path} is not a table of the lab ({error}); {remedy}") from error
    rules.require_columns(found, cell, units, f"{path} is not a table of the lab; {remedy}")
    return found


def remedy_of(path: Path) -> str:
    """What helps if a table or its record is damaged: a run's, or else a committed one."""
    if path.name in ("run.json", "table.csv"):
        return FRESH
    return f"restore it: git checkout -- {path.with_suffix('.csv')} {path.with_suffix('.json')}"


def table_of(record: Path) -> Path:
    """The table that a record is of: in a run folder, or beside it under its name."""
    name = "table.csv" if record.name == "run.json" else f"{record.stem}.csv"
    return paths.inside(record.parent, name, remedy_of(record))


def read_record(path: Path) -> dict:
    """The record of a run or of a committed table, checked: if complete, against its table.

    Raises `LabError`, which names the file and the remedy.
    """
    remedy, table = remedy_of(path), table_of(path)
    record = records.read(paths.inside(path.parent, path.name, remedy), Record, remedy, sealed=True)
    if record["status"] == "complete":
        records.require(record, Complete, str(path), remedy)
        records.whole(table, remedy)
        if records.digest(table) != cast(Complete, record)["table"]:
            raise LabError(f"{table} was changed after it was written; {remedy}")
    return cast(dict, record)


def write(record: Path, rows: list[dict], described: dict) -> None:
    """A table and its record, sealed together.

    Raises `LabError` for rows that are no table, or hold a nan: such a table is never complete.
    """
    names = described.get("cell", ()), described.get("units", ())
    rules.require_columns(rows, *names, remedy_of(record))
    rules.require_finite(rows)
    table = table_of(record)
    write_table(table, rows)
    records.write(record, described | {"table": records.digest(table)}, sealed=True)


def read(record: Path) -> tuple[list[dict], dict]:
    """The rows and the record of a complete run, or of a committed table; both checked."""
    found = read_record(record)
    if found["status"] != "complete":
        raise LabError(f"{record.parent} is not complete; run its command again first")
    return read_rows(table_of(record), found["cell"], found["units"]), found


def read_table(path: Path) -> Table:
    """The columns of a CSV written by `write_table`."""
    return columns(read_rows(path))


def columns(rows: list[dict]) -> Table:
    """Rows as columns."""
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def only(table: Table, rows: np.ndarray) -> Table:
    """Some rows of a table, chosen by a mask or by their numbers."""
    return {name: column[rows] for name, column in table.items()}


def where(table: Table, **at: str | int | float) -> Table:
    """The rows that have these values in these columns."""
    return only(table, np.logical_and.reduce([table[name] == v for name, v in at.items()]))


def last(table: Table, arm: str, value: str) -> dict[int, float]:
    """`value` of each member of `arm` at its last measurement point."""
    point = table.get("step", np.zeros(len(table["arm"])))
    chosen: dict[int, tuple[float, float]] = {}
    for i in np.flatnonzero(table["arm"] == arm):
        member = int(table["member"][i])
        if member not in chosen or point[i] >= chosen[member][0]:
            chosen[member] = (point[i], float(table[value][i]))
    return {member: number for member, (_, number) in sorted(chosen.items())}


def curves(table: Table, arm: str, along: str, value: str) -> tuple[np.ndarray, np.ndarray]:
    """Places [N] in the column `along`, and `value` there for each member of an arm [E N]."""
    rows = table["arm"] == arm
    places = np.unique(table[along][rows])
    order = np.lexsort((table[along][rows], table["member"][rows]))
    return places, table[value][rows][order].reshape(-1, len(places))


def quantiles(
    table: Table, arm: str, along: str, value: str, at: Sequence[float] = (0.5,)
) -> tuple[np.ndarray, np.ndarray]:
    """Places [N], and the quantiles over an arm's members there [Q N], by default the median."""
    places, values = curves(table, arm, along, value)
    return places, np.quantile(values, at, axis=0)


def share_below(table: Table, arm: str, along: str, value: str, bound: float = 0.0) -> np.ndarray:
    """The part of an arm's members below a bound at each place [N]."""
    return np.mean(curves(table, arm, along, value)[1] < bound, axis=0)


def paired(table: Table, first: str, second: str, value: str) -> np.ndarray:
    """`value` of `first` minus that of `second`, member by member."""
    a, b = last(table, first, value), last(table, second, value)
    return np.array([a[m] - b[m] for m in a if m in b])


def estimates(
    table: Table, value: str, contrasts: Iterable[Sequence[str]] = ()
) -> dict[str, Estimate]:
    """An estimate for every arm, in order of appearance, then "a - b" for every contrast."""
    groups = {str(arm): list(last(table, arm, value).values()) for arm in arms(table)}
    groups |= {f"{a} - {b}": list(paired(table, a, b, value)) for a, b in contrasts}
    return {label: stats.mean_estimate(np.array(values)) for label, values in groups.items()}


def arms(table: Table) -> list[str]:
    """The arms of a table, in order of appearance."""
    return [str(arm) for arm in dict.fromkeys(table["arm"])]


def band(
    table: Table, arm: str, along: str, value: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Places, and at each the mean over members of an arm with the ends of its 95 % interval."""
    places, values = curves(table, arm, along, value)
    mean, low, high = np.transpose([stats.mean_interval(column) for column in values.T])
    return places, mean, low, high


def merge(folders: list[Path]) -> tuple[list[dict], dict]:
    """The rows and the record of runs that differ in their members only, and so in their cells.

    Raises `LabError` if they differ in more, overlap, leave gaps, or are not complete.
    """
    found = [read(folder / "run.json") for folder in folders]
    every = [record for _, record in found]
    rows: list[dict] = []
    for folder, (new, record) in zip(folders, found, strict=True):
        same = lambda r: (
            {k: v for k, v in r["config"].items() if k not in ("members", "dataset")},
            r["dataset"],
            r["experiment"],
        )
        if same(record) != same(every[0]):
            raise LabError(f"{folder} and {folders[0]} differ in more than their members")
        cell = lambda row, names=tuple(record["cell"]): tuple(row[name] for name in names)
        if {cell(row) for row in new} & {cell(row) for row in rows}:
            raise LabError(f"{folder} repeats members of another folder; merge disjoint ranges")
        rows += new
    rows.sort(key=lambda row: row["member"])  # stable: the order of arms stays
    together = [one for record in every for one in record["sittings"]]
    whole = every[0] | {
        "sittings": [one for i, one in enumerate(together) if one not in together[:i]]
    }
    if len(every) == 1:
        return rows, whole
    members = {row["member"] for row in rows}
    first, last = min(members), max(members)
    if len(members) != last - first + 1:
        raise LabError(f"members: {first} to {last} have gaps; run the missing ranges first")
    span = f"{first}:{last + 1}" if first else str(last + 1)
    of_a_folder = ("overrides", "command", "hash", "wall_seconds", "peak_memory_mb")
    whole = {k: v for k, v in whole.items() if k not in (*of_a_folder, "claims")}
    whole["config"] = {**every[0]["config"], "members": span}
    whole["folders"] = [{k: record.get(k) for k in of_a_folder} for record in every]
    return rows, whole


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
