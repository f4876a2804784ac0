"""Accuracy of convolutional students, beside perceptrons, by the heads that they share."""

from matplotlib.figure import Figure

from figures import curves, style
from lab.runs import results

LABELS = {
    "convolutional": ("convolutional student", "#1170aa"),
    "perceptron": ("perceptron, other hidden layers", "#c85200"),
}
TITLES = {
    "uniform": "independent pixels",
    "blurred": "blurred by 1 pixel",
    "smooth": "blurred by 4 pixels",
}


def figure(table: results.Table, record: dict) -> Figure:
    """A panel for each kind of noise."""
    noises = list(dict.fromkeys(table["noise"].tolist()))
    figure = Figure((max(6.4, 3.2 * len(noises)), 3.8), layout="constrained")
    panels = figure.subplots(1, len(noises), sharey=True, squeeze=False)[0]
    for axes, noise in zip(panels, noises, strict=True):
        part = results.where(table, noise=noise)
        curves.teacher(axes, part)
        curves.along(axes, part, "shared", LABELS, line="none")
        axes.get_legend().remove()
        axes.set_title(f"noise: {TITLES.get(noise, noise)}", fontsize=8.5, loc="left")
        axes.set_xlabel("shared with the teacher")
        axes.tick_params(axis="x", labelsize=7)
        axes.label_outer()
    panels[0].legend(fontsize=7, loc="center right")
    style.caption(figure, record, len(set(table["member"])), curves.SEEN)
    return figure
