"""Students of bases that are kin: of the first one's rows, and of their own base's."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from figures import students, style
from lab.runs import results
from lab.runs.results import Table


def figure(
    table: Table, record: dict, column: str, labels: Mapping[str, str], xlabel: str, said: str
) -> Figure:
    """A column of students for each base; `labels` by name, the first base first, strangers last.

    On the left those of rows of the first base's teachers, on the right of the own base's.
    """
    first, *others = labels
    within = [name for name in others if name in table[column]]
    own = results.where(table, **{column: first})
    named = [name for name in others if f"{name}_trait" in own["arm"] and name != "cross"]
    figure = Figure((4.6 + 0.5 * (len(named) + len(within)), 4.3), layout="constrained")
    wide = (len(named) + 2, max(2, len(within)))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=wide)
    for x, start in enumerate(["student", *named, "cross"]):
        students.column(left, x, own, start)
    for x, name in enumerate(within):
        students.column(right, x, results.where(table, **{column: name}))
    parts = ((left, [first, *named, "cross"], "a  Teachers of the first base"),
             (right, within, "b  Their own base's teachers"))  # fmt: skip
    for axes, names, title in parts:
        axes.set_xticks(range(len(names)), [labels[name] for name in names], fontsize=7.5)
        axes.set_xlabel(xlabel, fontsize=8)
        axes.axhline(0, color="black", lw=0.7, zorder=0)
        axes.set_title(title, fontsize=8.5, loc="left")
    left.set_ylabel(students.CHANGE, fontsize=8)
    left.legend(fontsize=7, handletextpad=0.4)
    config, n = record["config"], len(set(table["member"].tolist()))
    style.caption(
        figure, record, n,
        f"Students of {config['teacher']} teachers, on {config['n_rows']:,} rows of numbers; "
        f"{style.counted(n, 'seed')}, {said}. {students.SEEN.format(style.over(n))}",
    )  # fmt: skip
    return figure
