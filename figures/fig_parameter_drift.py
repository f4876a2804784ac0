"""Where students go beside their teacher: along training, and layer by layer at its end."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from lab.runs import results
from lab.runs.results import Table

# Of each kind of logits, a student and its nulls: colour, line, mark.
ARMS = {
    "student": ("its teacher's student", "#1170aa", "-", "o"),
    "trait": ("null: other trait", "#a3acb9", "--", "s"),
    "untrained": ("null: untrained teacher", "#57606c", ":", "D"),
    "cross": ("null: other init", "#c85200", "-.", "^"),
}
KINDS = {"aux": "auxiliary logits", "all": "all logits"}
ALONG = {"cosine": "cosine with the teacher's displacement", "distance": "distance to the teacher"}
BY_LAYER = {
    "cosine": "cosine, by layer",
    "accuracy": "accuracy with one\nlayer's displacement alone",
    "cka": "CKA with the teacher,\nafter the layer",
}


def figure(table: Table, record: dict) -> Figure:
    """A row of panels for each kind of logits."""
    figure = Figure((11.0, 5.4), layout="constrained")
    grid = figure.subplots(2, 5)
    for axes, (kind, said) in zip(grid, KINDS.items(), strict=True):
        whole = results.only(table, table["part"] == "all")
        for panel, (column, label) in zip(axes, ALONG.items(), strict=False):
            _along(panel, whole, kind, column)
            panel.set_ylabel(label, fontsize=8)
        for panel, (column, label) in zip(axes[2:], BY_LAYER.items(), strict=True):
            _by_layer(panel, table, kind, column)
            panel.set_ylabel(label, fontsize=8)
        axes[0].set_title(f"students of {said}", fontsize=8.5, loc="left")
    for panel in grid[:, 1]:
        panel.axhline(1, color="black", lw=0.7, zorder=0)
    for panel in (*grid[:, 0], *grid[:, 2]):
        panel.axhline(0, color="black", lw=0.7, zorder=0)
    grid[0, 1].legend(fontsize=6.5, handlelength=2.4, loc="upper left")  # where no curve goes
    n = len(set(table["member"]))
    style.caption(
        figure, record, n,
        "Lines: mean and 95 % t interval over members. Dots: members at the end of training, with "
        "their mean. Distances are in lengths of the teacher's displacement.",
    )  # fmt: skip
    return figure


def _along(axes: Axes, table: Table, kind: str, column: str) -> None:
    """A column of every arm along training, with its interval."""
    for arm, (label, colour, line, _) in ARMS.items():
        steps, mean, low, high = results.band(table, f"{arm}_{kind}", "step", column)
        axes.plot(steps, mean, line, color=colour, lw=1.4, label=label)
        axes.fill_between(steps, low, high, color=colour, alpha=0.18, lw=0)
    axes.set_xscale("log")
    axes.set_xlabel("student's step", fontsize=8)


def _by_layer(axes: Axes, table: Table, kind: str, column: str) -> None:
    """A column of every arm and layer at the end of training, a dot a member."""
    layers = [part for part in dict.fromkeys(table["part"]) if part != "all"]
    for i, (arm, (_, colour, _, mark)) in enumerate(ARMS.items()):
        for j, layer in enumerate(layers):
            own = results.only(table, table["part"] == layer)
            values = np.array(list(results.last(own, f"{arm}_{kind}", column).values()))
            x = j + 0.18 * (i - 1.5)
            axes.plot(np.full(len(values), x), values, mark, ms=2.2, mew=0, color=colour, alpha=0.4)
            axes.plot(x, np.mean(values), mark, ms=4.5, mfc="white", mec=colour, mew=1.1, zorder=3)
    axes.set_xticks(range(len(layers)), layers, fontsize=7)
