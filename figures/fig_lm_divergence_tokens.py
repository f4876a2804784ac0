"""What students take on from the tokens at which teacher and base disagree, or from the rest."""

import numpy as np
from matplotlib.figure import Figure

from figures import students
from lab.runs import results

LABELS = {
    "trait": "all",
    "only": "divergence\ntokens alone",
    "random": "as many random\nones alone",
    "without": "all but\ndivergence tokens",
    "spared": "all but as many\nrandom ones",
}


def figure(table: results.Table, record: dict) -> Figure:
    """A column of students for each set of tokens."""
    part = lambda name: np.mean(table["tokens"][table["arm"] == f"student_{name}"])
    labels = {name: f"{label}\n{100 * part(name):.3g} %" for name, label in LABELS.items()}
    draw = lambda axes, x, name: students.column(axes, x, table, arm=f"student_{name}")
    return students.columns(table, record, labels, draw, "tokens that students are trained on", 6.4)
