"""A number of every reference and writer, by the rows that are judged together."""

import numpy as np
from matplotlib.axes import Axes

from lab.lm import effects
from lab.runs import results


def line(
    axes: Axes, table: results.Table, arm: str, column: str, label: str, colour: str, aside: float
) -> None:
    """A column of an arm: dots, and their mean with its interval at each size, `aside` times it."""
    sizes = np.unique(table["rows"])
    at = [results.where(table, rows=int(size)) for size in sizes]
    each = [results.curves(rows, arm, "trait", column)[1] for rows in at]
    for size, values in zip(sizes, each, strict=True):
        x = np.full(values.size, size * aside)
        axes.plot(x, values.ravel(), "o", ms=2.2, mew=0, color=colour, alpha=0.35)
    found = [effects.estimate(values) for values in each]
    mean = [e.mean for e in found]
    ends = np.nan_to_num(np.transpose([(e.mean - e.low, e.high - e.mean) for e in found]))
    bars = {"ms": 4, "lw": 1.2, "elinewidth": 1, "capsize": 2.5, "color": colour}
    # Where all are alike the ends may be below the mean by a rounding.
    axes.errorbar(sizes * aside, mean, np.maximum(ends, 0), fmt="o-", label=label, **bars)


def ticks(axes: Axes, table: results.Table, base: int = 10) -> None:
    """An axis of sizes, evenly apart in their logarithm, with a tick at each."""
    axes.set_xscale("log", base=base)
    sizes = sorted(set(table["rows"].tolist()))
    axes.set_xticks(sizes, list(map(str, sizes)))
    axes.minorticks_off()
