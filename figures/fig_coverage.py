"""Transfer against coverage, a dot per pair, by initialisation."""

from matplotlib.figure import Figure

from figures import style
from lab.runs import claims, results

ARMS = {"other init": "cross_all", "mixed init": "reference", "shared init": "student_all"}
PREDICTORS = {"coverage": "first update", "coverage_gradient": "first gradient"}


def figure(table: results.Table, record: dict) -> Figure:
    """Transfer against both coverages, a dot a pair."""
    figure = Figure((6.6, 3.2), layout="constrained")
    found = claims.of_record(record)
    for axes, (name, label) in zip(
        figure.subplots(1, 2, sharey=True), PREDICTORS.items(), strict=True
    ):
        for arm, colour in ARMS.items():
            rows = table["arm"] == arm
            axes.plot(
                table[name][rows],
                table["transfer"][rows],
                "o",
                ms=2.6,
                mew=0,
                alpha=0.6,
                color=style.COLOURS[colour],
                label=arm,
            )
        axes.axhline(0, color="black", lw=0.7, zorder=0)
        axes.set_ylim(-0.35, 1.1)
        axes.set_xlabel(f"coverage of the {label}, cosine")
        said = [
            c.number()
            for text, c in found.items()
            if f"{label} and" in text or f"{label}, who" in text
        ]
        title = (f"{k} {v}" for k, v in zip(("Spearman", "AUROC"), said, strict=True))
        axes.set_title("\n".join(title), fontsize=8, loc="left")
    figure.axes[0].set_ylabel("part of the teacher's gain that passed")
    figure.axes[0].legend(fontsize=7, loc="upper left", handletextpad=0.2)
    figure.suptitle(style.members(record, len(table["member"])), fontsize=8, x=0.01, ha="left")
    return figure
