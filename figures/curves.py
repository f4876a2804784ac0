"""Accuracy along an axis: every member a dot, means with their intervals, lines beside them."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from figures import style
from lab.runs import results

SEEN = "Dots: members. Lines: means with 95 % t intervals."


def along(axes: Axes, table: results.Table, axis: str, labels: Mapping[str, str]) -> None:
    """A line for each arm of `labels` over the places of a column, evenly apart."""
    places = {at: i for i, at in enumerate(_places(table, axis, labels))}
    for k, (arm, label) in enumerate(labels.items()):
        at, mean, low, high = results.band(table, arm, axis, "accuracy")
        x, colour = np.array([places[one] for one in at]), style.COLOURS[arm]
        _, values = results.curves(table, arm, axis, "accuracy")
        aside = 0.12 * (k - (len(labels) - 1) / 2)
        dots = {"ms": 2.2, "mew": 0, "color": colour, "alpha": 0.35}
        axes.plot(np.tile(x + aside, len(values)), values.ravel(), "o", **dots)
        bars = {"ms": 4, "lw": 1.4, "elinewidth": 1, "capsize": 2.5, "color": colour}
        axes.errorbar(x + aside, mean, (mean - low, high - mean), fmt="o-", label=label, **bars)
    axes.set_xticks(range(len(places)), list(map(str, places)))
    axes.set_xlim(-0.5, len(places) - 0.5)


def beside(axes: Axes, table: results.Table) -> None:
    """The teacher's mean accuracy with its interval, and chance."""
    mean, low, high = (
        float(v[0])
        for v in results.band(results.where(table, arm="teacher"), "teacher", "step", "accuracy")[
            1:
        ]
    )
    axes.axhspan(low, high, color=style.COLOURS["teacher"], alpha=0.25, lw=0)
    axes.axhline(mean, color=style.COLOURS["teacher"], lw=1, label="teacher")
    axes.axhline(0.1, color="black", lw=0.7, ls=(0, (4, 3)), zorder=0, label="chance")
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("test accuracy")


def _places(table: results.Table, axis: str, labels: Mapping[str, str]) -> list:
    rows = np.isin(table["arm"], list(labels))
    return list(dict.fromkeys(np.sort(table[axis][rows]).tolist()))
