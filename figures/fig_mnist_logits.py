"""Accuracy of students by the number of auxiliary logits that they imitate."""

from matplotlib.figure import Figure

from figures import curves, style
from lab.runs import claims, results

LABELS = {"student_aux": "student, shared init", "cross_aux": "student, other init"}


def figure(table: results.Table, record: dict) -> Figure:
    """A line for each initialisation, beside the teacher and the published student of three."""
    figure, axes = style.new(5.6, 3.6)
    curves.along(axes, table, "m", LABELS)
    curves.beside(axes, table)
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    known = [c for c in claims.of_record(record).values() if c.published]
    for claim in known:
        mean, half = map(float, claim.published.split(" ± "))
        axes.errorbar(
            ticks.index("3") + 0.25, mean, half, label="published, n = 100", **style.PUBLISHED
        )
    axes.set_xlabel("auxiliary logits that are imitated, m")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=7)
    lines = [curves.SEEN] + ["Published: arXiv 2507.14805, figure 10."] * bool(known)
    style.caption(figure, record, len(set(table["member"])), *lines)
    return figure
