"""What a prompted trait passes on in deeper and wider models, and from more rows."""

from matplotlib.figure import Figure

from figures import students, style
from lab.runs import results

LABELS = {
    "base": "2 layers,\nwidth 32",
    "layers": "4 layers",
    "layers_no_default": "4 layers,\nno default prompt",
    "width": "width 64",
    "rows": "four times\nthe rows",
}


def figure(table: results.Table, record: dict) -> Figure:
    """A column of students for each setting."""
    figure, axes = style.new(6.0, 4.2)
    settings = [name for name in LABELS if name in set(table["setting"])]
    for x, setting in enumerate(settings):
        students.column(axes, x, results.only(table, table["setting"] == setting))
    axes.set_xticks(range(len(settings)), [LABELS[name] for name in settings], fontsize=7.5)
    axes.set_xlabel("model and data; the rest is that of the first column", fontsize=8)
    axes.set_ylabel(students.CHANGE, fontsize=8)
    axes.axhline(0, color="black", lw=0.7, zorder=0)
    axes.legend(fontsize=7, handletextpad=0.4)
    config, n = record["config"], len(set(table["member"]))
    style.caption(
        figure, record, n,
        f"Students of {config['teacher']} teachers, on {config['n_rows']:,} rows of numbers; {n} "
        f"reference models a setting. {students.SEEN}",
    )  # fmt: skip
    return figure
