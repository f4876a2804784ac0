"""Where a student's parameters went beside its teacher's, for any three checkpoints on this disk.

Run:     python -m experiments.parameter_drift --teacher A --student B --start C
Options: names are Hugging Face folders, snapshots of the lab, or folders of them (`--member`);
         FOLDER/ARM where several models lie together: runs/.../snapshots/student_aux
Time:    seconds; a singular value decomposition of every matrix.

All steps of a student's snapshots are measured; of the teacher's the last, of the start's the
first. Cosines of unrelated displacements are about 1 / sqrt(parameters): compare with a control.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from figures import fig_drift_folders, style
from lab.drift import folders
from lab.runs import claims, cli, fields, results
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.experiment import Experiment
from lab.runs.fields import INT32, Count
from lab.runs.results import Table
from lab.stats import Estimate


@dataclass(frozen=True)
class Config:
    """Three models of one architecture."""

    RESOLVED: ClassVar = folders.ROLES  # of which a record holds names and digests alone

    teacher: str = ""
    """What the student learned from."""
    student: str = ""
    """Whose way is asked for; all its steps, if there are several."""
    start: str = ""
    """What both started from: the reference, or base model."""
    member: Annotated[int, Count(0, INT32)] = 0
    """Of snapshots that hold several."""
    directions: Annotated[int, Count()] = 8
    """Leading singular directions that are compared."""

    __post_init__ = fields.check


def rows(job: Job, cells: list[Cell]) -> list[dict]:
    """A row for each step and part."""
    (cell,) = cells
    return list(folders.rows(job.data, job.config.directions, cell.columns))


def says(table: Table, record: dict) -> list[Claim]:
    """The last step, part by part: a table for each column."""
    last = results.only(table, table["step"] == table["step"].max())
    nan = float("nan")
    return [
        claims.claim(
            f"{part}: {column}", Estimate(float(value), nan, nan, 1), group=f"{column}: {unit}",
            detail=part != "all", runs="one student",
        )
        for column, unit in folders.UNITS.items()
        for part, value in zip(last["part"], last[column], strict=True)
        if ".head." not in part and ".kv." not in part
    ]  # fmt: skip


EXPERIMENT = Experiment(
    name="drift_folders",
    doc=__doc__,
    presets={"default": Config()},
    prepare=folders.prepare,
    cells=lambda config: [Cell(config.member)],
    rows=rows,
    units=folders.UNITS,
    claims=says,
    draw=style.drawing(fig_drift_folders.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
