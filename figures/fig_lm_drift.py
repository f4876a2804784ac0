"""Where language students go beside their teacher: along training, by layer and by head."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from lab.drift import drifted
from lab.runs import results
from lab.runs.results import Table

ARMS = {
    "student_own": ("its teacher's student", "#1170aa", "-", "o"),
    "student_other": ("null: other trait", "#a3acb9", "--", "s"),
    "student_untouched": ("null: untouched reference", "#57606c", ":", "D"),
    "cross_own": ("null: other init", "#c85200", "-.", "^"),
}
ALONG = {
    "cosine": "cosine with the teacher's displacement",
    "distance": "distance to the teacher",
    "log_odds": "log-odds of the trait (nats)",
}


def figure(table: Table, record: dict) -> Figure:
    """The whole along training; layers and attention heads at its end."""
    figure = Figure((10.0, 6.2), layout="constrained")
    grid = figure.add_gridspec(2, 9)
    top = [figure.add_subplot(grid[0, 3 * i : 3 * i + 3]) for i in range(3)]
    bottom = [
        figure.add_subplot(grid[1, columns]) for columns in (slice(0, 2), slice(2, 7), slice(7, 9))
    ]
    for axes, (column, label) in zip(top, ALONG.items(), strict=True):
        _along(axes, table, column)
        axes.set_ylabel(label, fontsize=8)
    top[1].axhline(1, color="black", lw=0.7, zorder=0)
    top[0].axhline(0, color="black", lw=0.7, zorder=0)
    drawn = top[0].get_legend_handles_labels()
    figure.legend(*drawn, fontsize=7.5, ncols=4, handlelength=2.6, loc="outside lower center")
    layers = drifted.parts(table)
    heads = [str(p) for p in dict.fromkeys(table["part"]) if ".head." in p or ".kv." in p]
    panels = (
        (layers, "cosine", "cosine, by layer"),
        (heads, "cosine", "cosine, by attention head"),
        (layers, "log_odds", "log-odds with one\nlayer's displacement"),
    )
    for axes, (parts, column, label) in zip(bottom, panels, strict=True):
        _by_part(axes, table, parts, column)
        axes.set_ylabel(label, fontsize=8)
    style.caption(
        figure, record, len(set(table["member"])),
        "Lines: mean and 95 % t interval over references. Dots: references at the end of training, "
        "means over traits and copies. Distances are in lengths of the teacher's displacement.",
    )  # fmt: skip
    return figure


def _along(axes: Axes, table: Table, column: str) -> None:
    axes.set_xscale("log")
    axes.minorticks_off()
    for arm, (label, colour, line, _) in ARMS.items():
        steps, mean, low, high = results.band(
            drifted.by_member(table, arm, "all", column), arm, "step", column
        )
        axes.plot(steps, mean, line, marker="o", ms=2.5, color=colour, lw=1.4, label=label)
        axes.fill_between(steps, low, high, color=colour, alpha=0.18, lw=0)
        axes.set_xticks(steps, list(map(str, steps)))
    axes.set_xlabel("student's step", fontsize=8)


def _by_part(axes: Axes, table: Table, parts: list[str], column: str) -> None:
    for i, (arm, (_, colour, _, mark)) in enumerate(ARMS.items()):
        for j, part in enumerate(parts):
            values = list(drifted.at_end(table, arm, part, column).values())
            x = j + 0.18 * (i - 1.5)
            axes.plot(np.full(len(values), x), values, mark, ms=2.2, mew=0, color=colour, alpha=0.4)
            axes.plot(x, np.mean(values), mark, ms=4.5, mfc="white", mec=colour, mew=1.1, zorder=3)
    if column == "cosine":
        axes.axhline(0, color="black", lw=0.7, zorder=0)
    names = [part.removeprefix("layers.") for part in parts]
    axes.set_xticks(range(len(parts)), names, fontsize=7, rotation=90 if len(parts) > 4 else 0)
