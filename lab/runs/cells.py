"""Cells: one point of a grid for one member; the unit of resume and of merging.

Cells of one shape run in one program, so many at a time. An interrupted run continues with the
first group that is not finished, from the last point of it that was saved.
"""

import itertools
import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from jaxtyping import Integer

from lab.errors import LabError
from lab.runs import records
from lab.runs.fields import Members, span
from lab.runs.progress import Meter
from lab.runs.records import Label
from lab.runs.results import FRESH
from lab.runs.rows import require_finite
from lab.runs.run import Run


@dataclass(frozen=True)
class Cell:
    """A member at a point of a grid, ((axis, value), ...); a plain ensemble has one point, ()."""

    member: int
    point: tuple[tuple[str, Any], ...] = ()

    def __getitem__(self, axis: str):
        return dict(self.point)[axis]

    @property
    def columns(self) -> dict[str, Any]:
        """What every row of the cell holds, besides its arm."""
        return {"member": self.member, **dict(self.point)}

    @property
    def key(self) -> str:
        """The cell in a progress note."""
        return json.dumps(self.columns)


def members(text: str) -> Integer[np.ndarray, "E"]:
    """Member numbers of a count ("8") or a range ("0:20"). Raises `LabError` for anything else."""
    if text not in Members():
        raise LabError(f"members: {text!r} is not {Members()}")
    return np.arange(*span(text))


def grid(members_text: str, **axes: Iterable) -> list[Cell]:
    """Every member at every point of the axes: all points of the first member, then the next."""
    points = [tuple(zip(axes, p, strict=True)) for p in itertools.product(*axes.values())]
    return [Cell(int(m), point) for m in members(members_text) for point in points]


@dataclass
class Job:
    """What an experiment's `rows` works with: a configuration, its data, and where things go."""

    config: Any
    data: Any
    options: Any
    run: Run
    meter: Meter | None = None
    _note: Callable[..., None] = lambda *_: None
    step: int = 0  # where an earlier process stopped within this group of cells
    rows: list[dict] = field(default_factory=list)  # of the group up to there
    size: int = 1  # cells in a full group; the last group may have fewer
    whole: float = 1.0  # what all that this one does is of a cell

    def filled(self, group: list[Cell]) -> list[Cell]:
        """The group, filled up to its full size with copies of its last cell: one shape for all."""
        return group + group[-1:] * (self.size - len(group))

    def save(self, step: int, rows: list[dict], tree=None) -> None:
        """Note a point of the group to continue from; `tree` is what `restore` gives back."""
        self._note(step, rows, tree)

    def restore(self, like):
        """The tree of the last `save`, in the shape of `like`."""
        return self.run.restore(like)

    def advance(self, text: str, share: int | float) -> None:
        """`text` is done, `share` of one cell."""
        if self.meter:
            self.meter.advance(text, share * self.whole)

    def part(self, whole: float) -> "Job":
        """The same job for one of several parts of a cell."""
        return replace(self, whole=self.whole * whole)


def measure(
    job: Job,
    cells: list[Cell],
    rows_of: Callable[[Job, list[Cell]], list[dict]],
    shape: Callable[[Cell], Hashable],
    group_size: Callable[[Job, list[Cell]], int],
) -> list[dict]:
    """The rows of all cells in their order; those that an earlier process finished are kept."""
    mark = _continued(job.run, cells)
    done, open_group = dict(mark["cells"]), mark["open"]
    by_shape: dict[Hashable, list[Cell]] = {}
    for cell in cells:
        by_shape.setdefault(shape(cell), []).append(cell)
    order = {cell.key: i for i, cell in enumerate(cells)}
    with Meter(len(cells), len(done)) as job.meter:
        for all_of in by_shape.values():
            size = group_size(job, all_of)  # the same for every sitting
            some = [cell for cell in all_of if cell.key not in done]
            for first in range(0, len(some), size):
                group = some[first : first + size]
                keys = [cell.key for cell in group]
                place = {"cells": keys, "size": size}
                job.step, job.rows = 0, []
                if open_group is not None and open_group | place == open_group:
                    job.step, job.rows = open_group["step"], open_group["rows"]

                def note(step, rows, tree, place=place):
                    require_finite(rows)
                    job.run.save(
                        {"cells": done, "open": {**place, "step": step, "rows": rows}}, tree
                    )

                job.size, job._note = size, note
                found = rows_of(job, group)
                require_finite(found)
                for cell in group:
                    done[cell.key] = [row for row in found if _belongs(row, cell)]
                if sum(len(done[key]) for key in keys) != len(found):
                    raise LabError(f"rows: a row has not the columns of exactly one cell; {FRESH}")
                last = len(done) == len(cells)
                job.run.save({"cells": done, "open": None}, force=last or len(group) > 1)
                open_group = None
                job.meter.reach(len(done))
    return [row for key in sorted(done, key=order.__getitem__) for row in done[key]]


def _continued(run: Run, cells: list[Cell]) -> Label:
    """What an earlier process noted. Raises `LabError` if that is not of these cells."""
    if run.mark is None:
        return {"cells": {}, "open": None}
    note = run.folder / "progress.json"
    records.require(run.mark, Label, str(note), FRESH)
    mark, known = cast(Label, run.mark), {cell.key: cell for cell in cells}
    for key, rows in mark["cells"].items():
        if key not in known or not all(_belongs(row, known[key]) for row in rows):
            raise LabError(f"{note} holds other cells than are asked for; {FRESH}")
    return mark


def _belongs(row: Mapping[str, Any], cell: Cell) -> bool:
    return all(name in row and row[name] == value for name, value in cell.columns.items())
