"""What students of evading writers take on, against how loudly a forecast of their rows speaks."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from figures import style
from lab.lm import effects
from lab.runs import results

WAYS = {  # of writing: the arms' first word
    "trait": ("all of the teacher's rows", "black", "s"),
    "withheld": ("without the part that speaks most", "#1170aa", "o"),
    "hidden": ("a part, among the base's", "#c85200", "D"),
}
ALARM = np.log(100)  # nats


def figure(table: results.Table, record: dict) -> Figure:
    """A point for each way to write: evidence across, what is left of the effect upwards."""
    figure, axes = style.new(6.4, 4.2)
    whole = effects.effects(table, "student_trait").diagonal
    arms = dict.fromkeys(a for a in table["arm"].tolist() if a.startswith("student_"))
    seen_ways = set()
    for arm in arms:
        way, _, part = arm.removeprefix("student_").partition(" ")
        if way not in WAYS:
            continue
        label, colour, marker = WAYS[way]
        left = effects.kept(effects.effects(table, arm).diagonal, whole)
        nats = effects.estimate(effects.own(table, arm, "nats"))
        seen = np.mean(effects.own(table, arm, "seen"))
        bars = {
            "xerr": [[nats.mean - nats.low], [nats.high - nats.mean]],
            "yerr": [[left.mean - left.low], [left.high - left.mean]],
        }
        axes.errorbar(
            nats.mean, left.mean, **bars, fmt=marker, ms=5, color=colour, capsize=2, lw=1,
            label=None if way in seen_ways else label,
        )  # fmt: skip
        seen_ways.add(way)
        text = f"{float(part):.0%}, " if part else ""
        axes.annotate(
            f"{text}seen {seen:.0%}", (nats.mean, left.mean), xytext=(5, 5),
            textcoords="offset points", fontsize=7, color=colour,
        )  # fmt: skip
    axes.axvline(ALARM, color="black", lw=0.8, ls="--", label="alarm")
    axes.axhline(0, color="black", lw=0.7, zorder=0)
    axes.margins(x=0.1)  # room for what stands beside the points
    axes.set_xscale("symlog", linthresh=10)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    n_judged = record["config"]["n_judged"]
    axes.set_xlabel(f"evidence for any candidate after {n_judged:,} rows (nats)")
    axes.set_ylabel("part of the effect of all rows\nthat students take on")
    axes.legend(fontsize=7, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    n = len(set(table["member"].tolist()))
    style.caption(
        figure, record, n,
        f"{style.counted(n, 'reference model')}, {len(whole[0])} traits each. Seen: part of data "
        f"sets of which anything is found. Mean and 95 % interval over {style.over(n)}.",
    )  # fmt: skip
    return figure
