"""Accuracy of students by the number of logits, for six ways to share an initialisation."""

from matplotlib.figure import Figure

from figures import curves, style
from lab.runs import results

# Blue: with the teacher's class head; orange: with another one.
LABELS = {
    "all": ("all shared", "#1170aa"),
    "other hidden layers": ("other hidden layers", "#5fa2ce"),
    "other auxiliary head": ("other auxiliary head", "#57606c"),
    "other class head": ("other class head", "#fc9f5b"),
    "other heads": ("both heads others", "#c85200"),
    "other init": ("all others", "#7b3000"),
}


def figure(table: results.Table, record: dict) -> Figure:
    """A line for each of them, beside the teacher."""
    figure, axes = style.new(6.4, 4.0)
    curves.teacher(axes, table)
    curves.along(axes, table, "m", LABELS)
    axes.set_xlabel("auxiliary logits that are imitated, m")
    style.caption(figure, record, len(set(table["member"])), curves.SEEN)
    return figure
