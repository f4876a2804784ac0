"""What a trait's rows do to a model that is trained on them, and to one that only reads them."""

from matplotlib.figure import Figure

from figures import students
from lab.runs import results

LABELS = {
    "trained": "trained on\nall rows",
    "quoted_4": "4 rows\nquoted",
    "quoted_10": "10 rows\nquoted",
    "replayed_4": "4 rows\nreplayed",
    "replayed_10": "10 rows\nreplayed",
    "named_quoted_10": "10 quoted,\ntwo name it",
    "named_replayed_10": "10 replayed,\ntwo name it",
}


def figure(table: results.Table, record: dict) -> Figure:
    """A column for each way."""
    labels = {way: label for way, label in LABELS.items() if way in set(table["way"])}
    draw = lambda axes, x, way: students.column(axes, x, results.where(table, way=way))
    xlabel = "what is done with the rows of a trait's teacher"
    data = f"{record['config']['n_rows']:,} rows (or their base, which reads some)"
    return students.columns(table, record, labels, draw, xlabel, 6.8, data=data)
