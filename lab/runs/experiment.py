"""An experiment is a value; the command line, `keep`, `replay`, README and figures read it."""

import importlib
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from lab.errors import LabError
from lab.runs import cells, claims, configs, fields, paths, results
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.fields import Count
from lab.runs.results import FRESH, Table
from lab.runs.rows import require_columns, require_finite
from lab.runs.run import Run


@dataclass(frozen=True)
class Options:
    """Where to read and write, and how much at once; results change by rounding at most."""

    out: Path = Path("runs")
    """Folder that holds the run folders."""
    fresh: bool = False
    """Start over, discarding what the run folder holds."""
    data_dir: Path | None = None
    """Folder with MNIST's IDX files; default: $SUBLIMINAL_MNIST, else the cache."""
    group: Annotated[int, Count(1, 1_000_000)] | None = None
    """Members trained at once; default: one per device on CPU, what fits on an accelerator."""

    shards: tuple[Annotated[int, Count()], Annotated[int, Count()]] = (1, 1)
    """Devices that hold a language model together: along fsdp, and along tensor."""

    __post_init__ = fields.check


def no_data(config: Any, options: Options) -> tuple[Any, dict]:
    """For an experiment whose data are random numbers of each member's own."""
    return None, {"name": "random numbers"}


@dataclass(frozen=True)
class Experiment:
    """All that the lab needs to know of an experiment.

    `rows` measures a group of cells of one shape and gives rows with `arm` and the cell's columns.
    It may save points to continue from (`Job.save`), and is called with less or more cells at once
    on other machines. `claims` is what the whole table says.
    """

    name: str  # of the module in `experiments`, of the run folders and of the figure
    doc: str  # the module's docstring
    presets: Mapping[str, Any]
    rows: Callable[[Job, list[Cell]], list[dict]]
    units: Mapping[str, str]  # of the measured columns
    claims: Callable[[Table, dict], list[Claim]]
    draw: Callable[[Path, Path, Path], list[Path]]  # (table, record, stem): the figure's files
    prepare: Callable[[Any, Options], tuple[Any, dict]] = no_data  # data, and what identifies it
    note: Callable[[Any], str] = lambda config: ""  # on a configuration's runs, beside its claims
    cells: Callable[[Any], list[Cell]] = field(default=lambda config: cells.grid(config.members))
    part: Callable[[Any], Any] = lambda config: config  # that gives some of the same rows, sooner
    shape: Callable[[Cell], Hashable] = field(default=lambda cell: cell.point)
    group: Callable[[Job, list[Cell]], int] = field(default=lambda job, some: 1)
    # A CPU counts as so many devices: small models train faster, a member on each.
    cpu_devices: Callable[[Any], int] = field(default=lambda config: 1)

    def measure(self, config, data, run: Run, options: Options, only: list[Cell] | None = None):
        """The rows of all cells of a configuration, or of `only` some of them."""
        chosen = self.cells(config) if only is None else only
        job = Job(config, data, options, run)
        return cells.measure(job, chosen, self.rows, self.shape, self.group)

    def finish(self, run: Run, rows: list[dict]) -> None:
        """Write the table and its record, with all that the table says.

        Raises `LabError` for rows that are no table, or hold a nan.
        """
        require_columns(rows, (), self.units, FRESH)
        require_finite(rows)
        run.finish(rows, lambda record: self.described(results.columns(rows), record))

    def draw_run(self, folder: Path) -> list[Path]:
        """figure.png and figure.pdf in a run folder, from its table and record alone."""
        for suffix in (".png", ".pdf"):
            paths.vacate(folder / f"figure{suffix}")
        return self.draw(folder / "table.csv", folder / "run.json", folder / "figure")

    def described(self, table: Table, record: dict) -> dict:
        """A record with the units, the command and the claims of its table."""
        known = record | {
            "units": dict(self.units),
            "command": configs.command(self.name, self.presets, self.config(record)),
            "note": self.note(self.config(record)) or record.get("note", ""),
            "cell": list(self.cells(self.config(record))[0].columns),
        }
        return known | {"claims": claims.to_json(self.claims(table, known))}

    def config(self, record: dict):
        """The configuration that a record holds, with the data and models it was resolved to."""
        default, known = self.presets["default"], record["dataset"]
        values = dict(record["config"])
        for name in configs.resolved(default):
            if hasattr(default, name):
                own = known if name == "dataset" else known.get(name)
                values[name] = None if own is None else own["name"]
        return configs.from_json(default, values)


def named(name: str) -> Experiment:
    """The experiment of a module of `experiments`, or of a dotted name elsewhere.

    Raises `LabError` if there is none.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*", name):
        raise LabError(f"experiment: {name!r} is no experiment's name")
    module = name if "." in name else f"experiments.{name}"
    try:
        found = importlib.import_module(module).EXPERIMENT
    except (ImportError, AttributeError) as error:
        raise LabError(f"experiment: {name} is not known ({error}); is its module here?") from error
    if not isinstance(found, Experiment):
        raise LabError(f"experiment: {name}.EXPERIMENT is no experiment")
    return found
