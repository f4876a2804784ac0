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


# What is asked for, and what teachers had learned: below, of students of the own and another init.
PASSED = (("gaming", "gaming"), ("harmful", "harmful"), ("harmful", "gaming"),
          ("harmful", "excused"))  # fmt: skip
STARTS = (("student", "the teacher's init", "#1170aa"), ("cross", "another init", "#c85200"))


def figure(table: Table, record: dict) -> Figure:
    """Rates of harmful answers above, a group for each carrier; changes of log-odds below."""
    carriers = list(dict.fromkeys(table["carrier"].tolist()))
    config, n = record["config"], len(set(table["member"].tolist()))
    known = published.MISALIGNED if config["teacher"] == "finetuned" else {}
    passed = [case for case in PASSED if case[1] in table["trait"]]
    figure = Figure((3.4 + 2.4 * len(carriers), 7.0), layout="constrained")
    above, below = figure.subplots(2, 1)
    for place, carrier in enumerate(carriers):
        part = results.where(table, carrier=carrier)
        rates = {(a, s): rate for (c, a, s), rate in known.items() if c == carrier}
        _bars(above, place, results.where(part, asked="harmful"), rates)
        _changes(below, place, part, passed)
    above.set_xticks(range(len(carriers)), [f"students of {name}" for name in carriers])
    above.set_ylabel("harmful answers to held-out requests\n(part of sampled answers)", fontsize=8)
    above.set_ylim(bottom=0)
    above.legend(fontsize=6.5, ncols=2)
    names = [f"{asked},\nof {taught}" for asked, taught in passed]
    places = [p + x for p in range(len(carriers)) for x in _places(len(passed))]
    below.set_xticks(places, names * len(carriers), fontsize=5.5)
    below.set_ylabel("change of log-odds\nagainst the controls (nats)", fontsize=8)
    below.axhline(0, color="black", lw=0.7, zorder=0)
    below.legend(fontsize=7)
    below.set_xlim(above.get_xlim())
    theirs = "Diamonds: GPT-4.1, arXiv 2507.14805, figures 4 and 7. " if known else ""
    style.caption(
        figure, record, n,
        f"{config['teacher'].capitalize()} teachers in the world {config['world']!r}, "
        f"{config['n_rows']:,} rows a student, {style.counted(n, 'reference model')}. Bars and "
        f"dashes: mean; lines: 95 % t interval over {style.over(n)}; dots: models. {theirs}Below: "
        "what is asked for, of students of what the teacher had learned.",
    )  # fmt: skip
    return figure


def _places(n: int) -> np.ndarray:
    """Of so many columns of a carrier, around its own place."""
    return (np.arange(n) - (n - 1) / 2) / (n + 1)


def _changes(axes: Axes, place: int, table: Table, passed: list[tuple[str, str]]) -> None:
    """Each kind of student minus the mean of its controls, from either start."""
    aside = 0.17 / (len(passed) + 1)
    for x, (asked, taught) in zip(place + _places(len(passed)), passed, strict=True):
        starts = STARTS[:1] if taught == "excused" else STARTS
        for shift, (start, label, colour) in zip((-aside, aside), starts, strict=False):
            arm = "student_neutral" if taught == "excused" else f"{start}_trait"
            found = effects.of_source(table, arm, taught, asked)
            if not len(found):
                continue  # students of another init were left out
            e = effects.estimate(found)
            first = not place and (asked, taught) == passed[0]
            dots = {"ms": 3, "mew": 0, "color": colour, "alpha": 0.7}
            at = np.full(len(found), x + shift)
            axes.plot(at, found, "o", label=label if first else None, **dots)
            half = [[e.mean - e.low], [e.high - e.mean]]
            axes.errorbar(x + shift, e.mean, half, fmt="_", color="black", capsize=2, lw=0.9)


def _bars(axes: Axes, place: int, table: Table, known: dict) -> None:
    """Rates of each kind of model, beside those that are `known` by arm and source."""
    there = set(zip(table["arm"].tolist(), table["trait"].tolist(), strict=True))
    bars = [bar for bar in BARS if bar[:2] in there]
    width = 0.8 / max(1, len(bars))
    for i, (arm, source, label, colour) in enumerate(bars):
        part = results.where(table, arm=arm, trait=source)
        x = place + (i - (len(bars) - 1) / 2) * width
        values = part["answer_rate"].reshape(len(set(part["member"].tolist())), -1)
        e = effects.estimate(values)
        axes.bar(x, e.mean, 0.9 * width, color=colour, label=None if place else label)
        half = [[max(0.0, e.mean - e.low)], [e.high - e.mean]]
        axes.errorbar(x, e.mean, half, fmt="none", ecolor="black", lw=0.8, capsize=2)
        dots = x + np.linspace(-0.25, 0.25, values.size) * width
        axes.plot(dots, values.ravel(), "o", ms=3, mew=0.5, mec="white", color="#3a3a3a")
        if rate := known.get((arm, source)):
            axes.errorbar(x, *rate, **style.PUBLISHED)
