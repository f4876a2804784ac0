"""Sizes, fonts and one colour per arm, for every figure."""

import io
import textwrap
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.runs import results
from lab.runs.paths import write_atomic
from lab.runs.results import Table

# Blue: shared initialisation; orange: another; grey: not distilled. Light: auxiliary logits only.
# Of Tableau's colour-blind palette; tests/test_figures.py looks at them as colour-blind readers do.
COLOURS = {
    "reference": "#b8b8b8",
    "teacher": "#6e6e6e",
    "student_aux": "#5fa2ce",
    "student_all": "#1170aa",
    "cross_aux": "#fc9f5b",
    "cross_all": "#c85200",
}
# A published number beside ours, with its interval.
PUBLISHED: dict[str, Any] = {
    "fmt": "D",
    "ms": 4,
    "mfc": "white",
    "mec": "black",
    "ecolor": "black",
    "mew": 0.9,
}
LABELS = {
    "reference": "reference\n(untrained)",
    "teacher": "teacher",
    "student_aux": "student\naux only",
    "student_all": "student\nall logits",
    "cross_aux": "other init\naux only",
    "cross_all": "other init\nall logits",
}

_SETTINGS = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
}
_METADATA: dict[str, dict] = {".png": {"Software": None}, ".pdf": {"CreationDate": None}}


def settings() -> AbstractContextManager:
    """While it lasts, figures are made in the lab's style."""
    return matplotlib.rc_context(_SETTINGS)


@dataclass(frozen=True)
class Drawing:
    """How tables are drawn: a figure of a table and its record, in the lab's style."""

    figure: Callable[[Table, dict], Figure]

    def __call__(self, table: Path, record: Path, stem: Path) -> list[Path]:
        """Writes `stem`.png and `stem`.pdf; their paths."""
        paths = []
        for suffix, picture in self.pictures(table, record).items():
            paths.append(stem.with_name(stem.name + suffix))
            write_atomic(paths[-1], picture)
        return paths

    def pictures(self, table: Path, record: Path) -> dict[str, bytes]:
        """The figure as .png and .pdf, without dates, so that equal tables give equal bytes."""
        with settings():
            figure = self.figure(results.read_table(table), results.read_record(record))
            # Placed once, at the PNG's resolution; both are then drawn without placing again.
            figure.set_dpi(matplotlib.rcParams["savefig.dpi"])
            figure.draw_without_rendering()
            figure.set_layout_engine(None)
            found = {}
            for suffix, metadata in _METADATA.items():
                picture = io.BytesIO()
                figure.savefig(picture, format=suffix[1:], metadata=metadata)
                found[suffix] = picture.getvalue()
        return found


def drawing(figure: Callable[[Table, dict], Figure]) -> Drawing:
    """Draws `stem`.png and `stem`.pdf from a table and its record; `Experiment.draw`."""
    return Drawing(figure)


def legend(axes: Axes, **more) -> None:
    """A legend that what is drawn shines through: it may lie on dots and lines."""
    box = {"frameon": True, "framealpha": 0.85, "edgecolor": "none", "fontsize": 6.5}
    axes.legend(**box | more)


def new(width: float, height: float) -> tuple[Figure, Axes]:
    """One pair of axes, inches, on no screen."""
    figure = Figure((width, height), layout="constrained")
    return figure, figure.subplots()


def counted(n: int, thing: str) -> str:
    """1 member, 2 members."""
    return f"{n} {thing}{'s' * (n != 1)}"


def over(n_references: int) -> str:
    """What an interval is over (`lab.stats.clustered_interval`)."""
    return "references" if n_references >= 3 else "students, as if they were independent"


def members(record: dict, n: int) -> str:
    """The line under a title: what was trained, and how often."""
    names = {
        "mnist": "MNIST",
        "digits": "UCI digits, 28x28",
        "random numbers": "random networks and inputs",
        "world": "synthetic language",
        "worlds": "synthetic languages",
    }
    name = record["dataset"]["name"]
    return f"{names.get(name, name)}, {counted(n, 'member')}"


def above(figure: Figure, text: str, **more) -> None:
    """A line or two over all panels, from the left."""
    figure.suptitle(text, x=0.01, ha="left", **{"fontsize": 8, **more})


def caption(figure: Figure, record: dict, n: int, *lines: str) -> None:
    """Above everything: what was trained, how often, by which command; then what each mark is."""
    width = int(17.5 * figure.get_figwidth())  # so many letters fit into it
    lines = (f"{members(record, n)}: {record['command']}", *lines)
    text = "\n".join(textwrap.fill(line, width) for line in lines)
    above(figure, text, fontsize=7.5, linespacing=1.3)
