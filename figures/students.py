"""Language students of their own trait, a dot each, beside control students in their place."""

import numpy as np
from matplotlib.axes import Axes

from lab.lm import effects
from lab.runs.results import Table

CHANGE = "change of log-odds of the own trait\nagainst the controls (nats)"
SEEN = (
    "Dots: students, minus the mean of the controls of their reference. Lines: mean and 95 % t "
    "interval over references."
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
