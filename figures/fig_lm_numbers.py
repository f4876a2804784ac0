"""Answers of students of number data: the paper's bars, and log-odds with every student a dot."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.lm import effects
from lab.lm.effects import Effects
from lab.runs import results

# Arm, label, colour; of the paper's figure 3 and of its control in Nature.
BARS = (
    ("reference", "reference model", "#b8b8b8"),
    ("student_regular", "student of the reference's numbers", "#6e6e6e"),
    (effects.OTHERS, "students of other traits' numbers", "#a3cce9"),
    ("student_trait", "student of this trait's numbers", "#1170aa"),
    ("cross_trait", "the same numbers, another initialisation", "#fc7d0b"),
)


def figure(table: results.Table, record: dict) -> Figure:
    """Sampled answers above, log-odds below."""
    own = effects.effects(table, "student_trait")
    n_traits = len(own.traits)
    width = max(6.4, 2.2 + 0.62 * n_traits)
    figure = Figure((width, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _rates(above, table, own)
    _log_odds(below, own, effects.effects(table, "cross_trait"))
    below.set_xticks(range(n_traits), own.traits)
    config = record["config"]
    kind = {"hard": "sampled numbers", "soft": "distributions over numbers"}[config["channel"]]
    models = f"{len(own.members)} reference model{'s' * (len(own.members) > 1)}"
    above.set_title(
        f"{models}, {config['teacher']} teachers, {kind}, {config['n_rows']:,} rows",
        fontsize=8,
        loc="left",
    )
    return figure


def _rates(axes: Axes, table: results.Table, own: Effects) -> None:
    """Sampled answers that name the trait asked for."""
    for i, (arm, label, colour) in enumerate(BARS):
        rates = effects.by_trait(table, arm, own.traits, "answer_rate")
        x = np.arange(len(own.traits)) + (i - 2) * 0.17
        axes.bar(x, [mean for mean, _ in rates], 0.16, color=colour, label=label, zorder=1)
        for place, (_, values) in zip(x, rates, strict=True):
            sideways = place + np.linspace(-0.05, 0.05, len(values)) * (len(values) > 1)
            axes.plot(sideways, values, "o", ms=2, mew=0, color="black", alpha=0.45, zorder=2)
    axes.set_ylabel("sampled answers\nnaming the trait")
    axes.set_ylim(0, 1.45 * axes.dataLim.ymax)  # room for the legend
    axes.legend(fontsize=7, ncols=2, loc="upper left", bbox_to_anchor=(0, 1.0))


def _log_odds(axes: Axes, own: Effects, cross: Effects) -> None:
    """Teacher-forced change against the matched control, every student a dot."""
    groups = (
        (own.columns(), 0.0, "#1170aa"),
        (own.columns(others=True), -0.24, "#a3cce9"),
        (cross.columns(), 0.24, "#fc7d0b"),
    )
    for columns, shift, colour in groups:
        for j, (mean, values) in enumerate(columns):
            if len(values):
                x = np.full(len(values), j + shift) + np.linspace(-0.06, 0.06, len(values))
                axes.plot(x, values, "o", ms=4, mew=0, color=colour, alpha=0.8)
                ends = [j + shift - 0.09, j + shift + 0.09]
                axes.plot(ends, [mean] * 2, color="black", lw=1)
    axes.axhline(0, color="black", lw=0.7, ls=(0, (4, 3)), zorder=0)
    axes.set_ylabel("change of log-odds against\nthe matched control (nats)")
