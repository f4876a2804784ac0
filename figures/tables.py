"""Committed tables, and the figure of each: its record names the experiment, that the figure."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from figures import style
from lab.errors import LabError
from lab.runs import results

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results"
PICTURES = ROOT / "figures" / "png"


def records() -> dict[str, dict]:
    """The record of every committed table, by its name; each checked against its table."""
    return {path.stem: results.read_record(path) for path in sorted(RESULTS.glob("*.json"))}


def drawing_of(experiment: str) -> style.Drawing:
    """How an experiment's tables are drawn: by `figure` of figures/fig_<experiment>.py.

    For an experiment of another package, package.name, by that of package/fig_<name>.py. Raises
    `LabError` if there is none.
    """
    package, _, name = experiment.rpartition(".")
    module = f"{package or 'figures'}.fig_{name}"
    try:
        there = find_spec(module) is not None
    except (ImportError, ValueError):  # no such package, or no name of one
        there = False
    if not there:
        file = f"{module.replace('.', '/')}.py"
        raise LabError(f"experiment: {experiment[:80]!r} has no figure; write {file}")
    return style.drawing(import_module(module).figure)


def pictures(name: str) -> dict[str, bytes]:
    """The figure of a committed table as .png and .pdf."""
    path = RESULTS / f"{name}.json"
    drawing = drawing_of(results.read_record(path)["experiment"])
    return drawing.pictures(results.table_of(path), path)
