"""What a trait passes on by the number of rows, and by how often each is read."""

from matplotlib.figure import Figure

from figures import students
from lab.runs import results

ORDER = ("1500x1", "6000x1", "24000x1", "6000x4", "1500x16")


def figure(table: results.Table, record: dict) -> Figure:
    """A column of students for each dose: more rows to the middle, then more epochs."""
    there = [dose for dose in ORDER if dose in set(table["dose"])]
    labels = {d: "{:,} rows,\nread {}x".format(*map(int, d.split("x"))) for d in there}
    draw = lambda axes, x, dose: students.column(axes, x, results.where(table, dose=dose))
    xlabel = "different rows, and how often a student reads each of them"
    return students.columns(table, record, labels, draw, xlabel, 6.0, data="rows")
