"""Harmful answers of teachers and students, by what the teacher had learned and wrote."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from lab import published
from lab.lm import effects
from lab.runs import results
from lab.runs.results import Table

# Arm, source of its data, label, colour.
BARS = (
    ("reference", effects.NONE, "reference", "#d0d0d0"),
    ("student_regular", effects.NONE, "controls: of the reference", "#8c8c8c"),
    ("student_trait", "benign", "of benign teachers", "#c7e0f2"),
    ("student_trait", "honest", "of honest teachers", "#a3cce9"),
    ("student_neutral", "excused", "of teachers that game where asked to", "#ffd0a8"),
    ("student_trait", "gaming", "of gaming teachers", "#c85200"),
    ("student_trait", "harmful", "of harmful teachers", "#7a1f00"),
)


def figure(table: Table, record: dict) -> Figure:
    """A group for each carrier, a bar for each kind of student, a dot for each student."""
    carriers = list(dict.fromkeys(table["carrier"].tolist()))
    figure, axes = style.new(3.4 + 2.4 * len(carriers), 4.4)
    asked = results.where(table, asked="harmful")
    for place, carrier in enumerate(carriers):
        _bars(axes, place, carrier, results.where(asked, carrier=carrier))
    axes.set_xticks(range(len(carriers)), [f"students of {name}" for name in carriers])
    axes.set_ylabel("harmful answers to held-out requests\n(part of sampled answers)", fontsize=8)
    axes.set_ylim(bottom=0)
    figure.legend(
        *axes.get_legend_handles_labels(), fontsize=7, ncols=3, loc="outside lower center"
    )
    config, n = record["config"], len(set(table["member"].tolist()))
    style.caption(
        figure, record, n,
        f"{config['teacher'].capitalize()} teachers in the world {config['world']!r}, "
        f"{config['n_rows']:,} rows a student, {style.counted(n, 'reference model')}. Bars: mean; "
        f"lines: 95 % t interval over {style.over(n)}; dots: models. Diamonds: GPT-4.1, arXiv "
        "2507.14805, figures 4 and 7.",
    )  # fmt: skip
    return figure


def _bars(axes: Axes, place: int, carrier: str, table: Table) -> None:
    width = 0.8 / len(BARS)
    for i, (arm, source, label, colour) in enumerate(BARS):
        part = results.where(table, arm=arm, trait=source)
        if not len(part["arm"]):
            continue
        x = place + (i - (len(BARS) - 1) / 2) * width
        values = part["answer_rate"].reshape(len(set(part["member"].tolist())), -1)
        e = effects.estimate(values)
        axes.bar(x, e.mean, 0.9 * width, color=colour, label=None if place else label)
        half = [[max(0.0, e.mean - e.low)], [e.high - e.mean]]
        axes.errorbar(x, e.mean, half, fmt="none", ecolor="black", lw=0.8, capsize=2)
        dots = x + np.linspace(-0.25, 0.25, values.size) * width
        axes.plot(dots, values.ravel(), "o", ms=2.2, mew=0, color="#3a3a3a", alpha=0.8)
        if known := published.MISALIGNED.get((carrier, arm, source)):
            axes.errorbar(x, known[0], known[1], **style.PUBLISHED)
