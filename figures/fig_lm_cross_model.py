"""What passes on between models that share initialisation, training data, or neither."""

from matplotlib.figure import Figure

from figures import students, style
from lab.runs import results

LABELS = {
    "student": "same init,\nsame data",
    "data": "same init,\nother data",
    "cross": "other init,\nsame data",
    "both": "other init,\nother data",
}


def figure(table: results.Table, record: dict) -> Figure:
    """A column of students for each kind of model."""
    figure, axes = style.new(5.2, 4.2)
    for x, start in enumerate(LABELS):
        students.column(axes, x, table, start)
    axes.set_xticks(range(len(LABELS)), list(LABELS.values()), fontsize=7.5)
    axes.set_xlabel("what a student's base shares with its teacher's", fontsize=8)
    axes.set_ylabel(students.CHANGE, fontsize=8)
    axes.axhline(0, color="black", lw=0.7, zorder=0)
    axes.legend(fontsize=7, handletextpad=0.4)
    config, n = record["config"], len(set(table["member"]))
    style.caption(
        figure, record, n,
        f"Students of {config['teacher']} teachers, on {config['n_rows']:,} rows of numbers; "
        f"{n} reference models. {students.SEEN}",
    )  # fmt: skip
    return figure
