"""Cells in groups: whatever was done before, each cell's rows once, and in their order."""

from dataclasses import dataclass

import pytest

from lab.errors import LabError
from lab.runs import cells, records
from lab.runs.cells import Job
from lab.runs.progress import Meter
from lab.runs.run import Run
from tests.stored import change

GRID = cells.grid("5:8", size=("small", "large"))
STEPS = 3  # of every group


@dataclass(frozen=True)
class Config:
    seed: int = 0


class StoppedError(Exception):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def save_every_step(monkeypatch):
    monkeypatch.setenv("SUBLIMINAL_CHECKPOINT_SECONDS", "0")


class Counter:
    """Rows of three steps for each cell; remembers what it was asked for."""

    def __init__(self, stop_after=None):
        self.seen, self.left = [], stop_after

    def __call__(self, job, group):
        found = list(job.rows)
        self.seen.append(([cell.member for cell in job.filled(group)], job.step))
        for step in range(job.step, STEPS):
            found += [{"arm": "a", **cell.columns, "step": step} for cell in group]
            job.save(step + 1, found)
            if self.left is not None:
                self.left -= 1
                if self.left == 0:
                    raise StoppedError
        return found


def measure(folder, rows_of, size=2, chosen=GRID):
    with Run(folder, "x", Config(), {"name": "none"}) as run:
        job = Job(None, None, None, run)
        return cells.measure(job, chosen, rows_of, lambda c: c.point, lambda job, some: size)


EXPECTED = [{"arm": "a", **cell.columns, "step": s} for cell in GRID for s in range(STEPS)]


def test_parts_of_a_cell_advance_by_their_share(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(Meter, "advance", lambda self, text, share: told.append((text, share)))
    with Run(tmp_path, "x", Config(), {"name": "none"}) as run, Meter(1, 0) as meter:
        job = Job(None, None, None, run, meter)
        job.part(0.5).part(0.2).advance("a", 0.5)
        job.advance("b", 1)
    assert told == [("a", pytest.approx(0.05)), ("b", 1)]


def test_a_grid_has_every_member_at_every_point():
    assert [c.member for c in GRID] == [5, 5, 6, 6, 7, 7]
    assert [c["size"] for c in GRID] == ["small", "large"] * 3
    assert [c.columns for c in cells.grid("2")] == [{"member": 0}, {"member": 1}]


def test_cells_of_one_shape_run_together_and_the_last_group_is_filled_up(tmp_path):
    rows_of = Counter()
    assert measure(tmp_path, rows_of) == EXPECTED
    assert rows_of.seen == [([5, 6], 0), ([7, 7], 0)] * 2


@pytest.mark.parametrize("steps", range(1, 12))
def test_a_run_stopped_at_any_step_continues_there_and_repeats_nothing(steps, tmp_path):
    before, after = Counter(steps), Counter()
    with pytest.raises(StoppedError):
        measure(tmp_path, before)
    assert measure(tmp_path, after) == EXPECTED
    members, first = after.seen[0]
    # The last step of a group is noted before the group is: such a group has nothing left to do.
    assert first == (steps - 1) % STEPS + 1
    assert members == before.seen[-1][0]
    assert len(before.seen) + len(after.seen) == 4 + 1


@pytest.mark.parametrize(("before", "after"), [(1, 3), (2, 1), (3, 2)])
@pytest.mark.parametrize("steps", [2, 5])
def test_another_group_size_neither_drops_nor_repeats_a_cell(before, after, steps, tmp_path):
    with pytest.raises(StoppedError):
        measure(tmp_path, Counter(steps), before)
    assert measure(tmp_path, Counter(), after) == EXPECTED


def test_a_point_of_a_group_is_not_continued_with_another_number_of_cells_at_once(tmp_path):
    # Its tree has a member axis as long as the group was when it was saved.
    chosen = cells.grid("3")
    with pytest.raises(StoppedError):
        measure(tmp_path, Counter(STEPS + 1), 2, chosen)
    after = Counter()
    measure(tmp_path, after, 1, chosen)
    assert after.seen == [([2], 0)]


def test_cells_are_told_apart_by_every_axis_whatever_order_they_are_asked_for(tmp_path):
    backwards = GRID[::-1]
    of = lambda cell: [row for row in EXPECTED if row.items() >= cell.columns.items()]
    expected = [row for cell in backwards for row in of(cell)]
    assert measure(tmp_path, Counter(), chosen=backwards) == expected


@pytest.mark.parametrize(
    "rows",
    [
        [{"arm": "a", "member": 4, "size": "small"}],
        [{"arm": "a", "member": 5, "size": "medium"}],
    ],
)
def test_a_row_without_exactly_one_cells_columns_is_refused(rows, tmp_path):
    with pytest.raises(LabError, match="columns of exactly one cell"):
        measure(tmp_path, lambda job, group: rows)


NOTES = {
    "rows of another cell": lambda label: next(iter(label["cells"].values()))[0].update(member=9),
    "another cell": lambda label: label["cells"].update({"{}": []}),
    "no cells": lambda label: label.pop("cells"),
    "a list in a row": lambda label: label["open"]["rows"][0].update(arm=[]),
    "a step before the first": lambda label: label["open"].update(step=-1),
}


@pytest.mark.parametrize("name", NOTES)
def test_a_note_that_is_not_of_these_cells_is_refused(name, tmp_path):
    with pytest.raises(StoppedError):
        measure(tmp_path, Counter(STEPS + 1))
    (path,) = tmp_path.rglob("progress.json")
    label = records.read(path, dict, "", sealed=True)["label"]
    NOTES[name](label)
    change(path, label=label)
    with pytest.raises(LabError, match=r"progress.json .*--fresh"):
        measure(tmp_path, Counter())


@pytest.mark.parametrize("stop", [True, False])
def test_a_nan_ends_a_run_when_it_is_measured_and_names_its_row(stop, tmp_path):
    def rows_of(job, group):
        found = [{"arm": "a", **cell.columns, "loss": float("nan")} for cell in group]
        if stop:
            job.save(1, found)
        return found

    with pytest.raises(LabError, match="loss: nan for arm 'a', member 5"):
        measure(tmp_path, rows_of)


@pytest.mark.parametrize("text", ["0", "-3", "5:5", "many", ":4", "5000000000"])
def test_members_that_are_none_are_refused(text):
    with pytest.raises(LabError, match="members: "):
        cells.members(text)
