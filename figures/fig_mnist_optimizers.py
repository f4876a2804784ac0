"""Accuracy of students by optimizer and learning rate, for a shared and another initialisation."""

from matplotlib.figure import Figure

from figures import curves, style
from lab.runs import results

LABELS = {
    "student_aux": ("shared init", curves.SHARED),
    "cross_aux": ("other init", curves.OTHER),
}


def figure(table: results.Table, record: dict) -> Figure:
    """Two marks for each optimizer and rate, beside the teacher."""
    figure, axes = style.new(7.5, 4.0)
    curves.teacher(axes, table)
    curves.along(axes, table, "optimizer", LABELS, line="none")
    axes.tick_params(axis="x", labelrotation=90, labelsize=7)
    axes.set_xlabel("optimizer, and its learning rate in the protocol's")
    held = f"The first {record['config']['held_out']} members choose each optimizer's rate."
    style.caption(figure, record, len(set(table["member"])), f"{curves.SEEN} {held}")
    return figure
