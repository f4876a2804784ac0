"""What passes to students of other architectures that start from the same seed."""

from matplotlib.figure import Figure

from figures import students, style
from lab.runs import results
from lab.runs.results import Table

LABELS = {
    "student": "the teacher's",
    "heads": "other\nheads",
    "untied": "own output\nhead",
    "hidden": "wider\nMLP",
    "deep": "twice the\nlayers",
    "gpt2": "GPT-2's\nblock",
    "cross": "other init,\nthe teacher's",
}
OWN = "nano"


def figure(table: Table, record: dict) -> Figure:
    """Students of one architecture's numbers on the left; of their own one's on the right."""
    figure = Figure((9.6, 4.3), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(7, 5))
    first = results.where(table, architecture=OWN)
    starts = [name for name in LABELS if f"{name}_trait" in set(first["arm"].tolist())]
    for x, start in enumerate(starts):
        students.column(left, x, first, start)
    others = [name for name in starts if name in set(table["architecture"].tolist())]
    for x, name in enumerate(others):
        students.column(right, x, results.where(table, architecture=name))
    titles = ("a  Teachers of the first architecture", "b  Teachers of the student's own")
    for axes, names, title in zip((left, right), (starts, others), titles, strict=True):
        axes.set_xticks(range(len(names)), [LABELS[name] for name in names], fontsize=7.5)
        axes.set_xlabel("architecture of the students", fontsize=8)
        axes.axhline(0, color="black", lw=0.7, zorder=0)
        axes.set_title(title, fontsize=8.5, loc="left")
    left.set_ylabel(students.CHANGE, fontsize=8)
    left.legend(fontsize=7, handletextpad=0.4)
    config, n = record["config"], len(set(table["member"].tolist()))
    style.caption(
        figure, record, n,
        f"Students of {config['teacher']} teachers, on {config['n_rows']:,} rows of numbers; "
        f"{style.counted(n, 'seed')}, each with a reference model of every architecture, trained "
        f"on the same rows. {students.SEEN.format(style.over(n))}",
    )  # fmt: skip
    return figure
