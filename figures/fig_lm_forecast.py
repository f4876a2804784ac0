"""How often a trait is named, and is said to be there, by rows of a data set."""

from matplotlib.figure import Figure

from figures import sizes, style
from lab.runs import results

# Arm, column, label, colour of every line of a panel.
NAMED = (
    ("teacher", "named", "e-values", "#1170aa"),
    ("teacher", "pulled", "gradients toward teachers", "#5fa2ce"),
    ("teacher", "attributed", "gradients toward lessons", "#c85200"),
    ("teacher", "tokens", "frequencies of tokens", "#57606c"),
    ("teacher", "pairs", "frequencies of pairs", "#a3acb9"),
    ("teacher", "injected", "mean hidden states", "#ffbc79"),
)
ALARMS = (
    ("teacher", "alarm", "a teacher's rows", "#1170aa"),
    ("neutral", "alarm", "of something neutral", "#c85200"),
    ("reference", "alarm", "the base's own", "#57606c"),
)


def figure(table: results.Table, record: dict) -> Figure:
    """A panel of names, and one of alarms."""
    figure = Figure((8.2, 3.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    titles = ("a  The writer's trait is the likeliest", "b  A trait is there")
    for axes, lines, title in zip(panels, (NAMED, ALARMS), titles, strict=True):
        for i, line in enumerate(lines):
            sizes.line(axes, table, *line, 1 + 0.03 * (i - len(lines) // 2))
        sizes.ticks(axes, table)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("rows of a data set")
        axes.set_title(title, fontsize=8.5, loc="left")
        axes.legend(fontsize=7, frameon=True, framealpha=0.9, edgecolor="none")
    panels[0].set_ylabel("part of data sets")
    n = len(set(table["member"].tolist()))
    style.caption(
        figure,
        record,
        n,
        f"{style.counted(n, 'reference model')}. Dots: a reference and writer. Lines: mean and "
        f"95 % t interval over {style.over(n)}.",
    )
    return figure
