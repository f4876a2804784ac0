"""Cosine of a student's displacement with its teacher's, by part; and along training, if known."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from lab.runs import results
from lab.runs.results import Table

COLUMNS = {"cosine": "#1170aa", "projection": "#c85200", "overlap_right": "#57606c"}


def figure(table: Table, record: dict) -> Figure:
    """Bars for layers and dots for heads at the last step; the whole along training."""
    last = results.only(table, table["step"] == table["step"].max())
    heads = np.array([".head." in part or ".kv." in part for part in last["part"]])
    parts, steps = list(last["part"][~heads]), np.unique(table["step"])
    width = max(4.0, 0.32 * len(parts))
    figure = Figure((width + 3.6, 3.6), layout="constrained")
    by_part, along = figure.subplots(1, 2, width_ratios=(width, 3.2))
    for i, (column, colour) in enumerate(COLUMNS.items()):
        x = np.arange(len(parts)) + 0.26 * (i - 1)
        label = column.replace("_", ", ")
        by_part.bar(x, last[column][~heads], 0.24, color=colour, label=label)
    for part, value in zip(last["part"][heads], last["cosine"][heads], strict=True):
        layer, mark = part.split(".head.")[0].split(".kv.")[0], "o" if ".head." in part else "x"
        by_part.plot(parts.index(layer) - 0.26, value, mark, ms=3, color="black", alpha=0.6)
    by_part.axhline(0, color="black", lw=0.7)
    by_part.set_xticks(range(len(parts)), parts, rotation=90, fontsize=7)
    by_part.legend(fontsize=7)
    whole = results.only(table, table["part"] == "all")
    for column, colour in list(COLUMNS.items())[:2]:
        along.plot(steps, whole[column], "o-", ms=3, color=colour, label=column)
    along.axhline(0, color="black", lw=0.7)
    along.set_xlabel("student's step")
    along.legend(fontsize=7)
    names = {role: record["dataset"][role]["name"] for role in ("student", "teacher", "start")}
    said = "{student} beside {teacher}, both from {start}".format(**names)
    style.above(figure, f"{said}; dots: cosine of attention heads, crosses: of key heads")
    return figure
