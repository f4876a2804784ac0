"""Language students of their own trait, a dot each, beside control students in their place."""

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from lab.lm import effects
from lab.runs.results import Table

CHANGE = "change of log-odds of the own trait\nagainst the controls (nats)"
SEEN = (
    "Dots: students, minus the mean of the controls of their reference. Lines: mean and 95 % t "
    "interval over {}."
)


def column(axes: Axes, x: int, table: Table, start: str = "student", arm: str = "") -> None:
    """Of one start at a place of the axis, whose column 0 has the labels of a legend.

    Its students of a trait's data, or those of another `arm`.
    """
    own = effects.effects(table, arm or f"{start}_trait").diagonal
    groups = (
        ("students", own, "#1170aa", -0.12),
        ("a control in their place", effects.luck(table, start), "#6e6e6e", 0.18),
    )
    for label, numbers, colour, shift in groups:
        e, values = effects.estimate(numbers), numbers.ravel()
        places = x + shift + np.linspace(-0.07, 0.07, len(values))
        dots = {"ms": 2.5, "mew": 0, "color": colour, "alpha": 0.7}
        axes.plot(places, values, "o", label=None if x else label, **dots)
        half = [[e.mean - e.low], [e.high - e.mean]]
        axes.errorbar(x + shift, e.mean, half, fmt="_", color="black", capsize=2, lw=1, zorder=3)


def columns(
    table: Table,
    record: dict,
    labels: Mapping[str, str],
    draw: Callable[[Axes, int, str], None],
    xlabel: str,
    width: float,
    where: str = "",
    data: str = "",
) -> Figure:
    """A figure of one panel, a column for each of the labels' keys.

    `where` the references are, and `data` of the students if these differ by column.
    """
    figure, axes = style.new(width, 4.2)
    for x, name in enumerate(labels):
        draw(axes, x, name)
    axes.set_xticks(range(len(labels)), list(labels.values()), fontsize=7.5)
    axes.set_xlabel(xlabel, fontsize=8)
    axes.set_ylabel(CHANGE, fontsize=8)
    axes.axhline(0, color="black", lw=0.7, zorder=0)
    axes.legend(fontsize=7, handletextpad=0.4)
    config, n = record["config"], len(set(table["member"]))
    data = data or f"{config['n_rows']:,} rows"
    style.caption(
        figure, record, n,
        f"Students of {config['teacher']} teachers, on {data} of numbers; "
        f"{style.counted(n, 'reference model')}{where}. {SEEN.format(style.over(n))}",
    )  # fmt: skip
    return figure
