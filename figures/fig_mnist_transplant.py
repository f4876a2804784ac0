"""Students after Adam's moments were exchanged: accuracy, and how far on the teacher's way."""

from matplotlib.figure import Figure

from figures import style
from lab.runs import results

LABELS = {
    "trait": ("student of the teacher", "#1170aa", "-"),
    "trait without moments": ("the same, moments of the control", "#5fa2ce", "--"),
    "both moments": ("control, both moments of the student", "#c85200", "-"),
    "first moments": ("control, first moments of the student", "#fc9f5b", "--"),
    "second moments": ("control, second moments of the student", "#b8860b", ":"),
    "control": ("control", "#57606c", "-"),
}
PANELS = {
    "accuracy": "a  Accuracy on test digits",
    "projection": "b  Part of the teacher's way",
}


def figure(table: results.Table, record: dict) -> Figure:
    """A panel for each measure, a line for each kind of student."""
    figure = Figure((8.4, 3.8), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, (column, title) in zip(panels, PANELS.items(), strict=True):
        for arm, (label, colour, line) in LABELS.items():
            steps, each = results.curves(table, arm, "step", column)
            axes.plot(steps, each.T, color=colour, lw=0.4, alpha=0.3)
            _, mean, low, high = results.band(table, arm, "step", column)
            axes.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)
            axes.plot(steps, mean, color=colour, ls=line, lw=1.8, label=label)
        axes.set_title(title, fontsize=8.5, loc="left")
        axes.set_xlabel("steps after the cut, without the teacher")
    panels[0].axhline(0.1, color="black", lw=0.7, ls=(0, (4, 3)), zorder=0)
    panels[0].set_ylim(0, 1.02)
    panels[1].axhline(0, color="black", lw=0.7, zorder=0)
    figure.legend(
        *panels[0].get_legend_handles_labels(), fontsize=7, ncols=3, loc="outside lower center"
    )
    style.caption(
        figure,
        record,
        len(set(table["member"])),
        "Thin lines: members. Thick ones and bands: means, 95 % t intervals. Dashed in a: chance.",
    )
    return figure
