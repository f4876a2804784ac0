"""Sizes, fonts and one colour per arm, for every figure."""

import io
import textwrap
from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.runs import results
from lab.runs.paths import write_atomic
from lab.runs.results import Table

# Blue: shared initialisation; orange: another; grey: not distilled. Light: auxiliary logits only.
COLOURS = {
    "reference": "#b8b8b8",
    "teacher": "#6e6e6e",
    "student_aux": "#5fa2ce",
    "student_all": "#1170aa",
    "cross_aux": "#fc9f5b",
    "cross_all": "#c85200",
}
LABELS = {
    "reference": "reference\n(untrained)",
    "teacher": "teacher",
    "student_aux": "student\naux only",
    "student_all": "student\nall logits",
    "cross_aux": "other init\naux only",
    "cross_all": "other init\nall logits",
}

# A published value: a hollow diamond with half of its interval.
PAPER = {"fmt": "D", "ms": 4, "mfc": "white", "mec": "black", "ecolor": "black", "mew": 0.9}

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


def drawing(
    figure: Callable[[Table, dict], Figure],
) -> Callable[[Path, Path, Path], list[Path]]:
    """Draws `stem`.png and `stem`.pdf from a table and its record, in the lab's style."""

    def draw(table: Path, record: Path, stem: Path) -> list[Path]:
        with matplotlib.rc_context(_SETTINGS):
            return save(figure(results.read_table(table), results.read_record(record)), stem)

    return draw


def new(width: float, height: float) -> tuple[Figure, Axes]:
    """One pair of axes, inches, on no screen."""
    figure = Figure((width, height), layout="constrained")
    return figure, figure.subplots()


def save(figure: Figure, stem: Path) -> list[Path]:
    """`stem`.png and `stem`.pdf, without dates, so that equal tables give equal files."""
    paths = []
    for suffix, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None})):
        path = stem.with_name(stem.name + suffix)
        picture = io.BytesIO()
        figure.savefig(picture, format=suffix[1:], metadata=metadata)
        write_atomic(path, picture.getvalue())
        paths.append(path)
    return paths


def members(record: dict, n: int) -> str:
    """The line under a title: what was trained, and how often."""
    names = {
        "mnist": "MNIST",
        "digits": "UCI digits, 28x28",
        "random numbers": "random networks and inputs",
    }
    return f"{names.get(record['dataset']['name'], record['dataset']['name'])}, {n} members"


def above(figure: Figure, text: str, **more) -> None:
    """A line or two over all panels, from the left."""
    figure.suptitle(text, x=0.01, ha="left", **{"fontsize": 8, **more})


def caption(figure: Figure, record: dict, n: int, *lines: str) -> None:
    """Above everything: what was trained, how often, by which command; then what each mark is."""
    width = int(19 * figure.get_figwidth())  # so many letters fit into it
    lines = (f"{members(record, n)}: {record['command']}", *lines)
    text = "\n".join(textwrap.fill(line, width) for line in lines)
    above(figure, text, fontsize=7.5, linespacing=1.3)
