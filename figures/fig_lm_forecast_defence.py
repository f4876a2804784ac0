"""What students take on without the rows that speak most for their teacher's trait."""

from matplotlib.figure import Figure

from figures import students
from lab.runs import results

LABELS = {
    "most": "most for\nthe trait",
    "random": "random",
    "least": "least for\nthe trait",
    "other": "most for\nanother",
}


def figure(table: results.Table, record: dict) -> Figure:
    """A column of students for all rows, and for each kind and part that is removed."""
    arms = [arm for arm in dict.fromkeys(table["arm"].tolist()) if arm.split(" ")[0][8:] in LABELS]
    labels = {"student_trait": "none"}
    for arm in arms:
        which, part = arm.removeprefix("student_").split(" ")
        labels[arm] = f"{float(part):.0%}\n{LABELS[which]}"
    draw = lambda axes, x, arm: students.column(axes, x, table, arm=arm)
    return students.columns(table, record, labels, draw, "rows that are removed", 9.6)
