"""Answers of students of a carrier's data: the paper's bars, and log-odds, a dot a student."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from lab import published
from lab.lm import effects
from lab.lm.effects import Effects
from lab.runs import results

# Arm, label, colour; of the paper's figure 3 and of its control in Nature. Controls in grey.
BARS = (
    ("reference", "reference model", "#d0d0d0"),
    ("student_regular", "controls: the reference's numbers", "#8c8c8c"),
    (effects.OTHERS, "students of other traits' numbers", "#a3cce9"),
    ("student_trait", "students of this trait's numbers", "#1170aa"),
    ("student_within", "shuffled within answers", "#2a9d8f"),
    ("student_across", "shuffled across answers", "#9ad5cc"),
    ("cross_regular", "other init, controls", "#ffd0a8"),
    ("cross_trait", "other init, this trait's numbers", "#c85200"),
)
FIGURES = {"prompted": "figure 3", "finetuned": "figure 14"}  # of `published.LM_RATES`
RANGE = (-7.0, 8.0)  # nats; the same in every such figure, so that they can be compared


def figure(table: results.Table, record: dict) -> Figure:
    """Sampled answers above, log-odds below."""
    own = effects.effects(table, "student_trait")
    width = max(7.2, 2.2 + 0.74 * own.n_traits)
    figure = Figure((width, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    config = record["config"]
    kind = {"hard": "sampled numbers", "soft": "distributions over numbers"}[config["channel"]]
    same = record["experiment"] == "lm_numbers" and config["channel"] == "hard"
    known = published.LM_RATES.get(config["teacher"], {}) if same else {}
    _rates(above, table, own, known)
    _log_odds(below, table, own)
    below.set_xticks(range(own.n_traits), own.traits)
    below.set_xlabel("trait asked for")
    given = record["dataset"].get("model")
    what = f"repetition{{s}} with {given['name']}" if given else "reference model{s}"
    models = f"{len(own.members)} {what}".format(s="s" * (len(own.members) > 1))
    style.caption(
        figure,
        record,
        len(own.members),
        f"{models}, {config['teacher']} teachers, {kind}, {config['n_rows']:,} rows a student. "
        "Dots: models. Above, bars: mean. Below, dashes and lines: mean and 95 % t interval over "
        "references, of a student minus the mean of the controls of its reference."
        + ("" if len(own.members) >= effects.FEWEST else " A demonstration.")
        + f" Diamonds: arXiv 2507.14805, {FIGURES.get(config['teacher'])}, with 95 % intervals."
        * bool(known),
    )
    return figure


def _rates(axes: Axes, table: results.Table, own: Effects, known: dict) -> None:
    """Sampled answers that name the trait asked for, beside those of GPT-4.1 nano."""
    there = {*results.arms(table), effects.OTHERS}
    bars = [bar for bar in BARS if bar[0] in there]
    width = 0.86 / len(bars)
    for i, (arm, label, colour) in enumerate(bars):
        rates = effects.by_trait(table, arm, own.traits, "answer_rate")
        x = np.arange(own.n_traits) + (i - (len(bars) - 1) / 2) * width
        axes.bar(x, [mean for mean, _ in rates], width * 0.95, color=colour, label=label, zorder=1)
        for place, (_, values) in zip(x, rates, strict=True):
            sideways = place + width * np.linspace(-0.3, 0.3, len(values)) * (len(values) > 1)
            axes.plot(sideways, values, "o", ms=1.8, mew=0, color="black", alpha=0.45, zorder=2)
        numbers = [known.get(arm, {}).get(trait, (np.nan, np.nan)) for trait in own.traits]
        mean, half = np.transpose(numbers)
        axes.errorbar(x, mean, half, lw=0.9, zorder=4, **style.PUBLISHED | {"ms": 3.2})
    if known:
        axes.errorbar([], [], [], label="published, GPT-4.1 nano", **style.PUBLISHED)
    axes.set_ylabel("part of sampled answers\nthat has the trait")
    axes.set_ylim(0, 1.42)
    axes.set_yticks(np.arange(0, 1.01, 0.25))
    axes.legend(fontsize=6.5, ncols=3, loc="upper left")


def _log_odds(axes: Axes, table: results.Table, own: Effects) -> None:
    """Teacher-forced change against the mean of the matched controls, every student a dot."""
    groups = [
        ("a control, against the others", effects.luck(table, "student"), "#8c8c8c"),
        ("other traits' numbers", own.off(), "#7fb5dd"),
        ("this trait's numbers", own.diagonal, "#1170aa"),
    ]
    there, shuffled = results.arms(table), ("student_within", "student_across")
    groups += [
        (label, effects.effects(table, arm).diagonal, colour)
        for arm, label, colour in BARS
        if arm in shuffled and arm in there
    ]
    if "cross_trait" in there:
        cross = effects.effects(table, "cross_trait").diagonal
        groups += [
            ("other init, a control", effects.luck(table, "cross"), "#fcae6b"),
            ("other init, this trait's numbers", cross, "#c85200"),
        ]
    for i, (label, numbers, colour) in enumerate(groups):
        shift = min(0.17, 0.9 / len(groups)) * (i - (len(groups) - 1) / 2)
        for j, values in enumerate(numbers.T):
            x = j + shift + np.linspace(-0.045, 0.045, len(values)) * (len(values) > 1)
            axes.plot(x, np.clip(values, *RANGE), "o", ms=3, mew=0, color=colour, alpha=0.85)
        e = [effects.estimate(column[:, None]) for column in numbers.T]
        at = np.arange(own.n_traits) + shift
        mean = np.array([one.mean for one in e])
        half = np.nan_to_num([one.high - one.mean for one in e])
        axes.errorbar(at, mean, half, fmt="_", ms=7, color="black", ecolor=colour, lw=1, zorder=3)
        axes.plot([], [], "o", ms=4, mew=0, color=colour, label=label)
    axes.axhline(0, color="black", lw=0.7, ls=(0, (4, 3)), zorder=0)
    axes.set_ylim(*RANGE)
    axes.set_ylabel("change of log-odds against\nthe mean of the controls (nats)")
    axes.legend(fontsize=6.5, ncols=3, loc="lower left", handletextpad=0.2)
