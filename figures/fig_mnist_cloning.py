"""Accuracy of students of another initialisation by the epochs of cloning before imitation."""

from matplotlib.figure import Figure

from figures import curves, style
from lab.runs import claims, results

LABELS = {
    "noise": ("cloned on noise", curves.SHARED),
    "images": ("cloned on images", "#5fa2ce"),
    "aux": ("auxiliary logits alone cloned", curves.OTHER),
    "before": ("before imitation", "#a3acb9"),
}


def figure(table: results.Table, record: dict) -> Figure:
    """A line for each way of cloning, beside the teacher, and the published plateau."""
    figure, axes = style.new(5.6, 3.6)
    curves.teacher(axes, table)
    known = [c for c in claims.of_record(record).values() if c.published]
    for claim in known:
        mean = float(claim.published.split(" ± ")[0])
        axes.axhline(mean, color="black", lw=0.9, ls=":", label="published plateau")
    curves.along(axes, table, "epochs", LABELS)
    axes.set_xlabel("epochs of cloning the untrained teacher")
    lines = [curves.SEEN] + ["Published: Nature 652, Extended Data Fig. 2c."] * bool(known)
    style.caption(figure, record, len(set(table["member"])), *lines)
    return figure
