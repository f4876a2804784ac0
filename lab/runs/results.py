"""Tables and their provenance: reading, writing, merging, summarising. numpy only, never jax.

A table is tidy: a dict of columns of equal length, one row per (arm, member, measurement point).
"""

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from lab import stats
from lab.errors import LabError
from lab.stats import Estimate

Table = dict[str, np.ndarray]


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write beside `path`, then rename, so that a reader never sees half a file."""
    part = path.with_name(path.name + ".part")
    data = content.encode() if isinstance(content, str) else content
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def write_json(path: Path, value: dict) -> None:
    """`value` as indented JSON, keys in their own order: it is the order of a table's columns."""
    write_atomic(path, json.dumps(value, indent=1) + "\n")


def read_json(path: Path) -> dict:
    """The object in `path`. Raises `LabError` if it is missing or not JSON."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise LabError(f"{path} cannot be read ({error}); rerun the experiment") from error


def write_table(path: Path, rows: Iterable[Mapping]) -> None:
    """Rows as CSV; floats keep every digit."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue())


def read_rows(path: Path) -> list[dict]:
    """The rows of a CSV written by `write_table`, numbers as int or float."""
    try:
        with path.open(newline="") as file:
            rows = [{k: _number(v) for k, v in row.items()} for row in csv.DictReader(file)]
    except OSError as error:
        raise LabError(f"{path} cannot be read ({error}); rerun the experiment") from error
    if not rows or not {"arm", "member"} <= set(rows[0]):
        raise LabError(f"{path} is not a table of the lab (no columns arm, member)")
    return rows


def read_table(path: Path) -> Table:
    """The columns of a CSV written by `write_table`."""
    return columns(read_rows(path))


def columns(rows: list[dict]) -> Table:
    """Rows as columns."""
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def only(table: Table, rows: np.ndarray) -> Table:
    """Some rows of a table, chosen by a mask or by their numbers."""
    return {name: column[rows] for name, column in table.items()}


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


_SITTING = ("git", "packages", "device", "processes")


def sittings(record: dict) -> list[dict]:
    """Commit, versions and devices of every process that worked on a run, each different one once.

    Records of earlier versions hold those of one process, beside the rest.
    """
    return record.get("sittings") or [{k: record.get(k) for k in _SITTING}]


def merge(folders: list[Path]) -> tuple[list[dict], dict]:
    """The rows and the record of runs that differ in their members only, and so in their cells.

    Raises `LabError` if they differ in more, overlap, leave gaps, or are not complete.
    """
    records = [read_json(folder / "run.json") for folder in folders]
    rows: list[dict] = []
    for folder, record in zip(folders, records, strict=True):
        if record["status"] != "complete":
            raise LabError(f"{folder} is not complete; run its command again first")
        same = lambda r: (
            {k: v for k, v in r["config"].items() if k not in ("members", "dataset")},
            r["dataset"],
            r["experiment"],
        )
        if same(record) != same(records[0]):
            raise LabError(f"{folder} and {folders[0]} differ in more than their members")
        new = read_rows(folder / "table.csv")
        cell = lambda row, names=tuple(record["cell"]): tuple(row[name] for name in names)
        if {cell(row) for row in new} & {cell(row) for row in rows}:
            raise LabError(f"{folder} repeats members of another folder; merge disjoint ranges")
        rows += new
    rows.sort(key=lambda row: row["member"])  # stable: the order of arms stays
    whole = {k: v for k, v in records[0].items() if k not in _SITTING}
    together = [one for record in records for one in sittings(record)]
    whole["sittings"] = [one for i, one in enumerate(together) if one not in together[:i]]
    if len(records) == 1:
        return rows, whole
    members = {row["member"] for row in rows}
    first, last = min(members), max(members)
    if len(members) != last - first + 1:
        raise LabError(f"members: {first} to {last} have gaps; run the missing ranges first")
    span = f"{first}:{last + 1}" if first else str(last + 1)
    of_a_folder = ("overrides", "command", "hash", "wall_seconds", "peak_memory_mb")
    whole = {k: v for k, v in whole.items() if k not in (*of_a_folder, "claims")}
    whole["config"] = {**records[0]["config"], "members": span}
    whole["folders"] = [{k: record.get(k) for k in of_a_folder} for record in records]
    return rows, whole


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
