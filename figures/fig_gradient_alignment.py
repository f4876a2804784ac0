"""Cosine of the two gradients, and accuracy, along training: mean and 95 % interval per arm."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from lab.runs import results

ARMS = {
    "imitation": ("#1170aa", "-"),
    "random part removed": ("#5fa2ce", "--"),
    "liminal": ("#a3acb9", "-"),
    "aligned part removed": ("#57606c", "--"),
    "aligned update removed": ("#000000", ":"),
    "other init": ("#c85200", "-"),
}


def figure(table: results.Table, record: dict) -> Figure:
    """Cosine and accuracy along training."""
    figure = Figure((7.2, 3.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    _panel(left, table, "cosine")
    left.axhline(0, color="black", lw=0.7)
    left.set_ylabel("cosine of imitation and trait gradients")
    _panel(right, table, "accuracy")
    right.axhline(0.1, color="black", lw=0.7, ls=(0, (4, 3)))
    right.set_ylabel("accuracy")
    right.legend(fontsize=7, loc="upper left", handlelength=1.8)
    n = len(set(table["member"]))
    figure.suptitle(
        f"{style.members(record, n)}; mean and 95 % t interval", fontsize=8, x=0.01, ha="left"
    )
    return figure


def _panel(axes: Axes, table: results.Table, value: str) -> None:
    for arm, (colour, line) in ARMS.items():
        steps, mean, low, high = results.band(table, arm, "step", value)
        axes.plot(steps, mean, line, color=colour, lw=1.4, label=arm)
        axes.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)
    axes.set_xlabel("student's step")
