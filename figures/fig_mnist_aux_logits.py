"""Six bars of test accuracy: every member a dot, with the paper's values beside those of MNIST."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from lab.runs import claims, results

_BLACK = {"fmt": "none", "ecolor": "black", "capsize": 2.5, "lw": 1, "zorder": 3}


def figure(table: results.Table, record: dict) -> Figure:
    """A bar for each arm."""
    figure, axes = style.new(5.6, 3.7)
    rng = np.random.default_rng(0)  # places the dots sideways, nothing else
    arms = [arm for arm in style.LABELS if arm in table["arm"]]
    # An arm's claims come in the order of the arms, which is the order of the table.
    by_arm = dict(zip(results.arms(table), claims.of_record(record).values(), strict=False))
    published = [arm for arm in arms if by_arm[arm].published]
    n = 0
    for i, arm in enumerate(arms):
        values, e = list(results.last(table, arm, "accuracy").values()), by_arm[arm]
        n, first = e.n, i == 0
        axes.bar(i, e.mean, 0.66, color=style.COLOURS[arm], zorder=1)
        dots = {"ms": 2.2, "mew": 0, "color": "black", "alpha": 0.35, "zorder": 2}
        sideways = i - 0.12 + rng.uniform(-0.16, 0.16, n)
        axes.plot(sideways, values, "o", **dots, label="a member" if first else None)
        text = f"{e.mean:.4f}"
        if n > 1:
            half = e.high - e.mean
            label = "95 % t interval of the mean" if first else None
            axes.errorbar(i + 0.16, e.mean, half, label=label, **_BLACK)
            text += f"\n± {half:.4f}"
        axes.text(i, 1.03, text, ha="center", va="bottom", fontsize=8, linespacing=1.0)
        if arm in published:
            mean, half = map(float, e.published.split(" ± "))
            label = "published, n = 100" if first else None
            axes.errorbar(i + 0.42, mean, half, lw=0.9, zorder=4, label=label, **style.PAPER)
    axes.axhline(0.1, color="black", lw=0.7, ls=(0, (4, 3)), zorder=0, label="chance")
    axes.set_xticks(range(len(arms)), [style.LABELS[arm] for arm in arms])
    axes.set_xlim(-0.55, len(arms) - 0.3)
    axes.set_ylim(0, 1.17)
    axes.set_yticks(np.arange(0, 1.01, 0.2))
    axes.set_ylabel("test accuracy")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=4,
        fontsize=7,
        handletextpad=0.3,
        columnspacing=1.0,
    )
    lines = ["Bar and number: mean over members, with half of its interval."]
    if published:
        lines[0] += " Published: arXiv 2507.14805, figure 10."
    style.caption(figure, record, n, *lines)
    return figure
