"""How well writers are told apart by their rows: every detector, by the size of pools."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from lab.lm import effects
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
                _line(axes, part, arm, label, colour, 1 + 0.04 * (i - 1.5))
        axes.axhline(0.5, color="black", lw=0.7, ls=(0, (4, 3)), zorder=0)
        axes.set_xscale("log", base=4)
        sizes = sorted(set(table["rows"].tolist()))
        axes.set_xticks(sizes, list(map(str, sizes)))
        axes.minorticks_off()
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


def _line(axes: Axes, part: results.Table, arm: str, label: str, colour: str, aside: float) -> None:
    sizes = np.unique(part["rows"])
    at = [results.where(part, rows=int(size)) for size in sizes]
    each = [results.curves(rows, arm, "trait", "auroc")[1] for rows in at]
    for size, values in zip(sizes, each, strict=True):
        x = np.full(values.size, size * aside)
        axes.plot(x, values.ravel(), "o", ms=2.2, mew=0, color=colour, alpha=0.35)
    found = [effects.estimate(values) for values in each]
    mean = [e.mean for e in found]
    ends = np.nan_to_num(np.transpose([(e.mean - e.low, e.high - e.mean) for e in found]))
    line = {"ms": 4, "lw": 1.2, "elinewidth": 1, "capsize": 2.5, "color": colour}
    axes.errorbar(sizes * aside, mean, ends, fmt="o-", label=label, **line)
