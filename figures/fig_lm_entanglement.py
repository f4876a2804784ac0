"""What a teacher's data foretell of each word, beside what its student took on."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from lab.lm import effects
from lab.runs import results

SCORES = {
    "entangled": "a  Numbers told to the base",
    "unembedding": "b  Cosines of unembedding",
    "gradient": "c  A first step on the rows",
}


def figure(table: results.Table, record: dict) -> Figure:
    """A panel for each score; a point for each student and word, the own one marked."""
    own = effects.effects(table, "student_trait")
    figure = Figure((8.4, 3.6), layout="constrained")
    panels = figure.subplots(1, len(SCORES), sharey=True)
    mine = np.eye(own.n_traits, dtype=bool)
    for axes, (score, title) in zip(panels, SCORES.items(), strict=True):
        said = effects.pairs(table, "student_trait", score, own.traits)
        for which, label, colour in (
            (~mine, "another trait's word", "#a3cce9"),
            (mine, "the teacher's own word", "#1170aa"),
        ):
            x, y = (values[:, which].ravel() for values in (said / said.std(), own.values))
            axes.plot(x, y, "o", ms=3, mew=0, color=colour, alpha=0.8, label=label)
        axes.axhline(0, color="black", lw=0.7, zorder=0)
        axes.axvline(0, color="black", lw=0.7, zorder=0)
        axes.set_title(title, fontsize=8.5, loc="left")
        axes.set_xlabel("what the data say of the word\n(standard deviations)", fontsize=8)
    panels[0].set_ylabel("change of the word's log-odds\nin the student (nats)", fontsize=8)
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=7, ncols=2,
                  loc="outside lower center")  # fmt: skip
    n = len(own.members)
    style.caption(
        figure, record, n,
        f"Points: students of {style.counted(n, 'reference model')}, minus the mean of the "
        "controls of their reference; each with the words of all traits. Correlations and their "
        "intervals are in the table of claims.",
    )  # fmt: skip
    return figure
