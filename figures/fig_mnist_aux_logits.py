"""Six bars of test accuracy: every member a dot, with the paper's values beside them."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from lab.runs import claims, results


def figure(table: results.Table, record: dict) -> Figure:
    """A bar for each arm."""
    figure, axes = style.new(5.6, 3.3)
    rng = np.random.default_rng(0)  # places the dots sideways, nothing else
    arms = [arm for arm in style.LABELS if arm in table["arm"]]
    # An arm's claims come in the order of the arms, which is the order of the table.
    by_arm = dict(zip(results.arms(table), claims.of_record(record).values(), strict=False))
    n = 0
    for i, arm in enumerate(arms):
        values = list(results.last(table, arm, "accuracy").values())
        estimate = by_arm[arm]
        n = estimate.n
        axes.bar(i, estimate.mean, 0.66, color=style.COLOURS[arm], zorder=1)
        sideways = i - 0.12 + rng.uniform(-0.16, 0.16, n)
        axes.plot(sideways, values, "o", ms=2.2, mew=0, color="black", alpha=0.35, zorder=2)
        if n > 1:
            half = estimate.high - estimate.mean
            axes.errorbar(
                i + 0.16,
                estimate.mean,
                half,
                fmt="none",
                ecolor="black",
                capsize=2.5,
                lw=1,
                zorder=3,
            )
        axes.text(i, 1.03, f"{estimate.mean:.3f}", ha="center", va="bottom")
        if not estimate.published:
            continue
        paper, half = map(float, estimate.published.split(" ± "))
        axes.errorbar(
            i + 0.42,
            paper,
            half,
            fmt="D",
            ms=4,
            mfc="white",
            mec="black",
            ecolor="black",
            mew=0.9,
            lw=0.9,
            zorder=4,
            label="paper\n(MNIST,\nn = 100)" if i == 0 else None,
        )
    axes.axhline(0.1, color="black", lw=0.7, ls=(0, (4, 3)), zorder=0, label="chance")
    axes.set_xticks(range(len(arms)), [style.LABELS[arm] for arm in arms])
    axes.set_xlim(-0.55, len(arms) - 0.3)
    axes.set_ylim(0, 1.1)
    axes.set_yticks(np.arange(0, 1.01, 0.2))
    axes.set_ylabel("test accuracy")
    axes.set_title(
        f"{style.members(record, n)}; bars: mean, lines: 95 % t interval, dots: members",
        fontsize=8,
        loc="left",
    )
    # Above the bar of the reference, the one place where no bar or dot can be.
    axes.legend(loc="upper left", bbox_to_anchor=(-0.01, 0.93), fontsize=8, handletextpad=0.4)
    return figure
