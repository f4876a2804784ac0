"""How often a trait is named, and is said to be there, by rows of a data set."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from lab.lm import effects
from lab.runs import results

# Column, arm, label, colour of every line of a panel.
NAMED = (
    ("named", "teacher", "e-values", "#1170aa"),
    ("pulled", "teacher", "gradients alone", "#5fa2ce"),
    ("among", "teacher", "among eight by gradients", "#a3acb9"),
)
ALARMS = (
    ("alarm", "teacher", "a teacher's rows", "#1170aa"),
    ("alarm", "neutral", "of something neutral", "#c85200"),
    ("alarm", "reference", "the base's own", "#57606c"),
)


def figure(table: results.Table, record: dict) -> Figure:
    """A panel of names, and one of alarms."""
    figure = Figure((8.2, 3.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    titles = ("a  The writer's trait is the likeliest", "b  A trait is there")
    for axes, lines, title in zip(panels, (NAMED, ALARMS), titles, strict=True):
        for i, line in enumerate(lines):
            _line(axes, table, *line, 1 + 0.03 * (i - 1))
        axes.set_xscale("log")
        sizes = sorted(set(table["rows"].tolist()))
        axes.set_xticks(sizes, list(map(str, sizes)))
        axes.minorticks_off()
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("rows of a data set")
        axes.set_title(title, fontsize=8.5, loc="left")
        axes.legend(fontsize=7)
    panels[0].set_ylabel("part of data sets")
    n = len(set(table["member"].tolist()))
    style.caption(
        figure,
        record,
        n,
        f"{style.counted(n, 'reference model')}. Dots: a reference and writer. Lines: mean and "
        f"95 % t interval over {style.over(n)}.",
    )
    return figure


def _line(
    axes: Axes, table: results.Table, column: str, arm: str, label: str, colour: str, aside: float
) -> None:
    sizes = np.unique(table["rows"])
    at = [results.where(table, rows=int(size)) for size in sizes]
    each = [results.curves(rows, arm, "trait", column)[1] for rows in at]
    for size, values in zip(sizes, each, strict=True):
        x = np.full(values.size, size * aside)
        axes.plot(x, values.ravel(), "o", ms=2.2, mew=0, color=colour, alpha=0.3)
    found = [effects.estimate(values) for values in each]
    mean = [e.mean for e in found]
    ends = np.nan_to_num(np.transpose([(e.mean - e.low, e.high - e.mean) for e in found]))
    line = {"ms": 4, "lw": 1.2, "elinewidth": 1, "capsize": 2.5, "color": colour}
    axes.errorbar(sizes * aside, mean, np.maximum(ends, 0), fmt="o-", label=label, **line)
