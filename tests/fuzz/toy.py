"""An experiment of numpy alone, with all that a run folder can hold: so thousands can be run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import jax.numpy as jnp
import numpy as np

from lab import stats
from lab.runs import claims, fields, results
from lab.runs.cells import Cell, Job
from lab.runs.experiment import Experiment
from lab.runs.fields import Count, Members, Real


@dataclass(frozen=True)
class Config:
    """A sum of random numbers for each member."""

    members: Annotated[str, Members()] = "3"
    steps: Annotated[int, Count(1, 100)] = 3
    rate: Annotated[float, Real()] = 0.5
    snapshots: bool = True

    __post_init__ = fields.check


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """A row for each step; every step is saved."""
    (cell,) = some
    found, like = list(job.rows), {"sum": jnp.zeros(2), "at": jnp.zeros((), jnp.int32)}
    state = job.restore(like) if job.step else like
    for step in range(job.step, job.config.steps):
        number = np.random.default_rng([cell.member, step]).random() * job.config.rate
        state = {"sum": state["sum"] + number, "at": state["at"] + 1}
        value = float(state["sum"][0])
        found.append({"arm": "sum", "member": cell.member, "step": step, "value": value})
        if job.config.snapshots:
            job.run.snapshot(f"{cell.member}_{step}", {"sum": np.asarray(state["sum"])})
        job.save(step + 1, found, state)
        job.advance("step", 1 / job.config.steps)
    return found


def says(table: results.Table, record: dict) -> list[claims.Claim]:
    """The mean."""
    last = np.array(list(results.last(table, "sum", "value").values()))
    return [claims.claim("sum", stats.mean_estimate(last))]


def draw(table: Path, record: Path, stem: Path) -> list[Path]:
    """Two files in place of a figure, from the table alone."""
    n = len(results.read_rows(table))
    files = [stem.with_suffix(".png"), stem.with_suffix(".pdf")]
    for path in files:
        path.write_text(str(n))
    return files


EXPERIMENT = Experiment(
    name="tests.fuzz.toy",
    doc=__doc__,
    presets={"default": Config(), "smoke": Config(members="1")},
    rows=rows,
    units={"value": ""},
    claims=says,
    draw=draw,
)

if __name__ == "__main__":
    from lab.runs import cli

    cli.start(EXPERIMENT)
