"""What words were foretold to gain, and what they gained, in students of every recipe."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from lab.forecast.agreement import PAIRS, correlations, of_students
from lab.runs import results


def figure(table: results.Table, record: dict) -> Figure:
    """A panel for every recipe: a dot for every word of every reference and trait."""
    recipes = dict.fromkeys(table["recipe"].tolist())
    parts = {recipe: results.where(table, recipe=recipe) for recipe in recipes}
    n_rows = 1 + (len(parts) > 4)
    n_columns = -(-len(parts) // n_rows)
    figure = Figure((2.1 * max(3, n_columns) + 0.4, 2.2 * n_rows + 0.7), layout="constrained")
    panels = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes in panels[len(parts) :]:
        axes.set_axis_off()
    for axes, (recipe, part) in zip(panels, parts.items(), strict=False):
        real, foretold = of_students(part), part["forecast"]
        own = part["asked"] == part["trait"]
        axes.axline((0, 0), slope=1, color="#a3acb9", lw=0.8)
        axes.plot(foretold[~own], real[~own], ".", ms=2.5, mew=0, color="#5fa2ce", alpha=0.5)
        axes.plot(foretold[own], real[own], "o", ms=4, mew=0, color="#c85200", label="own word")
        mean = np.mean(correlations(part, PAIRS["the forecast"]))
        axes.set_title(f"{recipe}\nrank correlation {mean:.2f}", fontsize=8)
    figure.supylabel("students' change of log-odds, nats", fontsize=8)
    panels[0].legend(fontsize=7, loc="upper left")
    figure.supxlabel("foretold, nats", fontsize=8)
    n = len(set(table["member"].tolist()))
    style.caption(
        figure,
        record,
        n,
        f"{style.counted(n, 'reference model')}. A dot: a word, a trait's teacher, the mean of two "
        "students. Each panel's correlation is the mean of those over words; intervals stand in "
        "the table of claims.",
    )
    return figure
