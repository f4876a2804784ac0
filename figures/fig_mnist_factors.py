"""Accuracy of students in every setting, beside what others have published of it."""

from matplotlib.figure import Figure

from figures import curves, style
from lab.runs import claims, results

LABELS = {
    "student_aux": ("shared init", curves.SHARED),
    "cross_aux": ("other init", curves.OTHER),
}


def figure(table: results.Table, record: dict) -> Figure:
    """Two marks for each setting, and a diamond for each published number."""
    n = len(set(table["setting"]))
    figure, axes = style.new(max(5.0, 0.26 * n + 1), 4.2)
    said, first = claims.of_record(record), True
    places = list(dict.fromkeys(table["setting"].tolist()))
    for text, claim in said.items():
        place = text.removesuffix(", others'")  # a setting that two have measured
        if claim.published and place in places:
            mean, half = map(float, claim.published.partition(", ")[0].split(" ± "))
            label = "published" if first else None
            curves.published(axes, places.index(place) + 0.32, mean, half, label)
            first = False
    curves.along(axes, table, "setting", LABELS, line="none")
    axes.tick_params(axis="x", labelrotation=90, labelsize=7)
    lines = [curves.SEEN] + ["Published: replications, named in the table of claims."] * (not first)
    style.caption(figure, record, len(set(table["member"])), *lines)
    return figure
