"""What passes on between models that share initialisation, training data, or neither."""

from matplotlib.figure import Figure

from figures import students
from lab.runs import results

LABELS = {
    "student": "same init,\nsame data",
    "data": "same init,\nother data",
    "cross": "other init,\nsame data",
    "both": "other init,\nother data",
}


def figure(table: results.Table, record: dict) -> Figure:
    """A column of students for each kind of model."""
    draw = lambda axes, x, start: students.column(axes, x, table, start)
    xlabel = "what a student's base shares with its teacher's"
    return students.columns(table, record, LABELS, draw, xlabel, 5.2)
