"""Recompute cells of a committed table, and say how far they are from it and how far they may be.

On another machine sums are rounded in another order, and training amplifies that. How far it does
is measured: the same cells are recomputed with other numbers of threads and devices, other vector
units and other versions of Python and JAX, and a column's tolerance is FACTOR times the largest of
these differences. A column that none of them changes must be equal. A nan on either side is too
far, and so is a row that is missing.
"""

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lab import cache
from lab.errors import LabError
from lab.runs.experiment import Options, named
from lab.runs.run import Run

FACTOR = 2.0
PART = "--part"  # in the label of a setting, where a part of the cell was recomputed
# What may differ between machines, as far as one machine can show it.
SETTINGS = {
    "as made": {},
    "one thread": {"PJRT_NPROC": "1"},
    "narrow vectors": {"XLA_FLAGS": "--xla_cpu_max_isa=AVX2"},
    "two devices": {"JAX_NUM_CPU_DEVICES": "2"},
    "four devices": {"JAX_NUM_CPU_DEVICES": "4"},
}


class AbsentDataError(LabError):
    """The table's dataset is not on disk."""


Spread = Mapping[str, Mapping[str, Sequence[float]]]
"""Distances that were measured: in a setting, of a column, typical and largest."""


class Distance(NamedTuple):
    """Between a column of a cell's recomputed rows and of its committed ones."""

    typical: float  # root mean square over curves of the mean along `step`: what claims rest on
    largest: float  # of any row: training is chaotic, and a single step says little


def recompute(
    record: dict, committed: list[dict], members: str | None = None, part: bool = False
) -> list[dict]:
    """Rows of the first cell of a table, or of all cells of some members; or the `part` of these.

    Nothing is taken from the cache but compiled programs. Raises `AbsentDataError` if the table is
    of MNIST and MNIST is not on disk, `LabError` if it cannot be recomputed for another reason.
    """
    experiment, options = named(record["experiment"]), Options()
    config = experiment.config(record)
    if record["dataset"]["name"] == "mnist":  # "auto" never asks the network
        config = dataclasses.replace(config, dataset="auto")
    first = committed[0]["member"]
    config = dataclasses.replace(config, members=members or f"{first}:{first + 1}")
    config = experiment.part(config) if part else config
    data, dataset = experiment.prepare(config, options)
    if dataset != record["dataset"]:
        if record["dataset"]["name"] == "mnist":
            raise AbsentDataError("dataset: the table needs MNIST, which is not on disk")
        raise LabError("dataset: the table was made from another one")
    cells = experiment.cells(config)[: None if members else 1]
    with (
        tempfile.TemporaryDirectory() as folder,
        cache.artifacts_in(Path(folder) / "artifacts"),
        Run(Path(folder), record["experiment"], config, dataset) as run,
    ):
        return experiment.measure(config, data, run, options, cells)


def distances(
    record: dict, committed: list[dict], rows: list[dict], part: bool = False
) -> dict[str, Distance]:
    """How far recomputed rows are from the committed ones, by column, in the farthest cell.

    Raises `LabError` if they are not the same rows, or of a `part`, not among them.
    """
    cell = lambda row: tuple(row[k] for k in record["cell"])
    cells = list(dict.fromkeys(map(cell, rows)))
    expected = {_place(row, record): row for row in committed if cell(row) in cells}
    found = {_place(row, record): row for row in rows}
    if not found or len(found) < len(rows) or not found.keys() <= expected.keys():
        raise LabError("rows: the experiment no longer measures the committed ones")
    if not part and len(found) < len(expected):
        raise LabError("rows: the experiment measures fewer than the committed ones")
    known = {}
    for column in record["units"]:
        curves: dict[tuple, list[float]] = {}
        for place, row in found.items():
            curve = (cell(row), *(one for one in place if one[0] != "step"))
            curves.setdefault(curve, []).append(row[column] - expected[place][column])
        means = lambda one, of=curves: [np.mean(gaps) for key, gaps in of.items() if key[0] == one]
        typical = np.max([np.sqrt(np.mean(np.square(means(one)))) for one in cells])
        largest = np.max(np.abs(np.concatenate(list(curves.values()))))
        known[column] = Distance(float(typical), float(largest))
    return known


def tolerances(spread: Spread, part: bool = True) -> dict[str, Distance]:
    """How far each column may be, from distances that were measured in several settings.

    Those of a part of a cell say nothing of a whole one: among more students some are farther.
    """
    whole = [one for label, one in spread.items() if part or PART not in label]
    return {
        column: Distance(FACTOR * one.typical, FACTOR * one.largest)
        for column, one in widest(whole).items()
    }


def widest(some: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, Distance]:
    """Of every column the largest of several distances, each of both kinds."""
    columns = list(dict.fromkeys(column for one in some for column in one))
    largest = lambda column: np.max([one[column] for one in some], axis=0).tolist()
    return {column: Distance(*largest(column)) for column in columns}


def too_far(known: Mapping[str, Distance], may_be: Mapping[str, Distance]) -> list[str]:
    """The columns beyond their tolerance. Raises `LabError` for one that was never measured."""
    if missing := [column for column in known if column not in may_be]:
        raise LabError(f"spread: {', '.join(missing)} was never measured; replay with --measure")
    inside = lambda a, b: a.typical <= b.typical and a.largest <= b.largest  # false for nan
    return [column for column, one in known.items() if not inside(one, may_be[column])]


def said(known: Mapping[str, Sequence[float]]) -> str:
    """Distances as text."""
    return ", ".join(f"{k} by {typical:.2g} ({most:.2g})" for k, (typical, most) in known.items())


def _place(row: dict, record: dict) -> tuple[tuple[str, object], ...]:
    """What names a row. Numbers that were drawn may differ in their last digits by version."""
    short = lambda value: f"{value:.5g}" if isinstance(value, float) else value
    return tuple((k, short(v)) for k, v in row.items() if k not in record["units"])
