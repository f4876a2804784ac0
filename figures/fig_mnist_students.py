"""Accuracy of students unlike their teachers: shared init, another, and another after cloning."""

from matplotlib.figure import Figure

from figures import curves, style
from lab.runs import results

LABELS = {
    "student_aux": ("shared init", curves.SHARED),
    "cross_aux": ("other init", curves.OTHER),
    "cloned": ("other init, cloned", curves.CLONED),
}


def figure(table: results.Table, record: dict) -> Figure:
    """Three marks for each kind of student."""
    figure, axes = style.new(6.4, 4.0)
    curves.along(axes, table, "student", LABELS, line="none")
    axes.tick_params(axis="x", labelrotation=30)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("right")
    axes.set_xlabel("student")
    style.caption(figure, record, len(set(table["member"])), curves.SEEN)
    return figure
