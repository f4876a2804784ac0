"""How well writers are told apart by their rows: every detector, by the size of pools."""

from matplotlib.figure import Figure

from figures import sizes, style
from lab.runs import results

LABELS = {
    "writers": ("the writers themselves", "#57606c"),
    "transformer": ("transformers of another init", "#1170aa"),
    "pairs": ("pairs of tokens", "#5fa2ce"),
    "tokens": ("bag of tokens", "#c85200"),
}
PANELS = {
    "teacher": "a  A teacher's filtered rows",
    "untouched": "b  Null: the reference twice",
    "unfiltered": "c  Control: unfiltered rows",
}


def figure(table: results.Table, record: dict) -> Figure:
    """A panel for each kind of data, a line for each detector."""
    figure = Figure((9.0, 3.6), layout="constrained")
    panels = figure.subplots(1, len(PANELS), sharey=True)
    for axes, (data, title) in zip(panels, PANELS.items(), strict=True):
        part = results.where(table, data=data)
        for i, (arm, (label, colour)) in enumerate(LABELS.items()):
            if arm in part["arm"]:
                sizes.line(axes, part, arm, "auroc", label, colour, 1 + 0.04 * (i - 1.5))
        axes.axhline(0.5, color="black", lw=0.7, ls=(0, (4, 3)), zorder=0)
        sizes.ticks(axes, table, base=4)
        axes.set_title(title, fontsize=8.5, loc="left")
        axes.set_xlabel("rows of one writer, judged together")
    panels[0].set_ylabel("AUROC")
    drawn = panels[0].get_legend_handles_labels()
    figure.legend(*drawn, fontsize=7, ncols=4, loc="outside lower center")
    n = len(set(table["member"]))
    style.caption(
        figure,
        record,
        n,
        f"{record['config']['teacher']} teachers; {style.counted(n, 'reference model')}. Dots: a "
        f"reference and trait. Lines: mean and 95 % t interval over {style.over(n)}. "
        "Dashed: chance.",
    )
    return figure
