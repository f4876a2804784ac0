"""Accuracy of students by the number of auxiliary logits that they imitate."""

from matplotlib.figure import Figure

from figures import curves, style
from lab.runs import claims, results

LABELS = {
    "student_aux": ("student, shared init", curves.SHARED),
    "cross_aux": ("student, other init", curves.OTHER),
}


def figure(table: results.Table, record: dict) -> Figure:
    """A line for each initialisation, beside the teacher and the published student of three."""
    figure, axes = style.new(5.6, 3.6)
    curves.teacher(axes, table)
    known = [c for c in claims.of_record(record).values() if c.published]
    for claim in known:
        at = sorted(set(results.where(table, arm="student_aux")["m"].tolist())).index(3)
        mean, half = map(float, claim.published.split(" ± "))
        curves.published(axes, at + 0.3, mean, half, "published, n = 100")
    curves.along(axes, table, "m", LABELS)
    axes.set_xlabel("auxiliary logits that are imitated, m")
    lines = [curves.SEEN] + ["Published: arXiv 2507.14805, figure 10."] * bool(known)
    style.caption(figure, record, len(set(table["member"])), *lines)
    return figure
