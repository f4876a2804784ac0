"""Accuracy along an axis: every member a dot, means with their intervals, lines beside them."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from figures import style
from lab.runs import results

SEEN = "Dots: members. Marks: means with 95 % t intervals."
# What the arms of several figures are drawn with.
SHARED, OTHER, CLONED = "#1170aa", "#c85200", "#57606c"
Labels = Mapping[str, tuple[str, str]]  # label and colour of every arm


def along(
    axes: Axes, table: results.Table, axis: str, labels: Labels, line: str = "-"
) -> list[int | str]:
    """The arms of `labels` over the places of a column, evenly apart; the places in their order."""
    there = np.isin(table["arm"], list(labels))
    named = table[axis].dtype.kind == "U"  # in order of appearance; numbers by size
    column = table[axis][there] if named else np.sort(table[axis][there])
    places = list(dict.fromkeys(column.tolist()))
    at = [results.where(table, **{axis: place}) for place in places]
    for k, (arm, (label, colour)) in enumerate(labels.items()):
        aside = min(0.2, 0.5 / len(labels)) * (k - (len(labels) - 1) / 2)
        x = [i for i, rows in enumerate(at) if arm in rows["arm"]]
        for i in x:
            values = list(results.last(at[i], arm, "accuracy").values())
            dots = {"ms": 2.5, "mew": 0, "color": colour, "alpha": 0.45}
            axes.plot([i + aside - 0.07] * len(values), values, "o", **dots)
        found = [results.estimates(at[i], "accuracy")[arm] for i in x]
        ends = np.transpose([(e.mean - e.low, e.high - e.mean) for e in found])
        bars = {"ms": 4, "lw": 1.2, "elinewidth": 1, "capsize": 2.5, "color": colour, "ls": line}
        means = [e.mean for e in found]
        axes.errorbar(np.add(x, aside), means, ends, fmt="o", label=label, **bars)
    axes.set_xticks(range(len(places)), list(map(str, places)))
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.axhline(0.1, color="black", lw=0.7, ls=(0, (4, 3)), zorder=0, label="chance")
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("test accuracy")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=7)
    return places


def teacher(axes: Axes, table: results.Table) -> None:
    """The teachers' mean accuracy with its interval, where all places have the same ones."""
    teachers = results.where(table, arm="teacher")
    mean, low, high = np.ravel(results.band(teachers, "teacher", "step", "accuracy")[1:])
    colour = style.COLOURS["teacher"]
    axes.axhspan(low, high, color=colour, alpha=0.25, lw=0)
    axes.axhline(mean, color=colour, lw=1, label="teacher")


def published(axes: Axes, at: float, value: float, half: float, text: str | None) -> None:
    """A number of others; only the first of them has a text for the legend."""
    axes.errorbar(at, value, half, label=text, lw=0.9, **style.PUBLISHED)
