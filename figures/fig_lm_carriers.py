"""What passes through each carrier, trait by trait, to students of the own and of another init."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import students, style
from lab.lm import effects
from lab.runs import results

STARTS = {"student": "a  The teacher's own base", "cross": "b  A base of another init"}
MARKS = ("s", "^", "D", "v", "P", "X", "*", "h", "<", ">")


def figure(table: results.Table, record: dict) -> Figure:
    """A panel for each start; a column of students for each carrier, and each trait's mean."""
    carriers = list(dict.fromkeys(table["carrier"].tolist()))
    starts = [start for start in STARTS if f"{start}_trait" in set(table["arm"])]
    figure = Figure((2.2 + 2.6 * len(starts), 4.4), layout="constrained")
    panels = np.ravel(figure.subplots(1, len(starts), sharey=True))
    for axes, start in zip(panels, starts, strict=True):
        for x, carrier in enumerate(carriers):
            part = results.where(table, carrier=carrier)
            students.column(axes, x, part, start)
            _traits(axes, x, part, start)
        axes.set_xticks(range(len(carriers)), carriers, fontsize=8)
        axes.set_title(STARTS[start], fontsize=8.5, loc="left")
        axes.axhline(0, color="black", lw=0.7, zorder=0)
    panels[0].set_ylabel(students.CHANGE, fontsize=8)
    drawn = panels[0].get_legend_handles_labels()
    figure.legend(*drawn, fontsize=7, ncols=5, loc="outside lower center")
    config, n = record["config"], len(set(table["member"]))
    style.caption(
        figure, record, n,
        f"Students of {config['teacher']} teachers, on {config['n_rows']:,} rows; "
        f"{style.counted(n, 'reference model')}. {students.SEEN.format(style.over(n))} Marks: "
        "means of a trait.",
    )  # fmt: skip
    return figure


def _traits(axes: Axes, x: int, table: results.Table, start: str) -> None:
    own = effects.effects(table, f"{start}_trait")
    for k, (trait, values) in enumerate(zip(own.traits, own.diagonal.T, strict=True)):
        mark = {"ms": 4.5, "mfc": "white", "mec": "#c85200", "mew": 1, "zorder": 4}
        label = None if x else trait
        axes.plot(x + 0.02, np.mean(values), MARKS[k % len(MARKS)], ls="", label=label, **mark)
