"""What a prompted trait passes on in deeper and wider models, and from more rows."""

from matplotlib.figure import Figure

from figures import students
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
    labels = {name: label for name, label in LABELS.items() if name in set(table["setting"])}
    draw = lambda axes, x, setting: students.column(axes, x, results.where(table, setting=setting))
    more = "students' epsilon follows the gradient, " if record["config"].get("matched") else ""
    xlabel = f"model and data; {more}the rest is that of the first column"
    return students.columns(table, record, labels, draw, xlabel, 6.0, " a setting", "rows")
