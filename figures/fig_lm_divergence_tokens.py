"""What students take on from the tokens at which teacher and base disagree, or from the rest."""

import numpy as np
from matplotlib.figure import Figure

from figures import students, style
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
    figure, axes = style.new(6.4, 4.2)
    names = []
    for x, (name, label) in enumerate(LABELS.items()):
        students.column(axes, x, table, arm=f"student_{name}")
        part = np.mean(table["tokens"][table["arm"] == f"student_{name}"])
        names.append(f"{label}\n{100 * part:.3g} %")
    axes.set_xticks(range(len(LABELS)), names, fontsize=7.5)
    axes.set_xlabel("tokens that students are trained on", fontsize=8)
    axes.set_ylabel(students.CHANGE, fontsize=8)
    axes.axhline(0, color="black", lw=0.7, zorder=0)
    axes.legend(fontsize=7, handletextpad=0.4)
    config, n = record["config"], len(set(table["member"]))
    style.caption(
        figure, record, n,
        f"Students of {config['teacher']} teachers, on {config['n_rows']:,} rows of numbers; {n} "
        f"reference models. {students.SEEN}",
    )  # fmt: skip
    return figure
