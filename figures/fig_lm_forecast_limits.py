"""What is said of every writer's data sets: a bar of verdicts each."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from lab.runs import results

COLOURS = {
    "named": "#1170aa",
    "recipe_unknown": "#5fa2ce",
    "not_this_base": "#c85200",
    "no_trait": "#a3acb9",
    "nothing_found": "#e3e6ea",
}

NONE = ("base", "its teacher")  # how writers end that have no trait of the base


def figure(table: results.Table, record: dict) -> Figure:
    """Bars of parts of data sets, and a mark for those whose likeliest trait is right."""
    writers = list(dict.fromkeys(table["writer"].tolist()))
    figure, axes = style.new(6.8, 0.9 + 0.3 * len(writers))
    at, begun = np.arange(len(writers)), np.zeros(len(writers))
    parts = [results.where(table, writer=writer) for writer in writers]
    for verdict, colour in COLOURS.items():
        part = np.array([np.mean(some[verdict]) for some in parts])
        label = verdict.replace("_", " ")
        axes.barh(at, part, left=begun, color=colour, label=label, height=0.75)
        begun += part
    right = np.array([np.mean(some["right"]) for some in parts])
    right[[writer.endswith(NONE) for writer in writers]] = np.nan
    label = "likeliest trait is the writer's"
    axes.plot(right, at, "D", color="black", ms=4, clip_on=False, zorder=3, label=label)
    axes.set_yticks(at, writers)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("part of data sets")
    axes.legend(fontsize=7, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    n = len(set(table["member"].tolist()))
    style.caption(
        figure,
        record,
        n,
        f"{style.counted(n, 'reference model')}, {record['config']['n_rows']:,} rows a data set. "
        "The intervals stand in the table of claims.",
    )
    return figure
