"""What is left of a student's trait with the reference's activations at one position."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from lab.lm import effects
from lab.runs import claims, results

PARTS = ("nothing", "system", "question", "last", "all")


def figure(table: results.Table, record: dict) -> Figure:
    """Parts of the prompt, then each token of the system prompt."""
    part = results.only(table, table["trait"] == table["asked"])
    arms = [arm for arm in results.arms(part) if arm.startswith("system ")]
    base = effects.own(part, "reference")
    said = claims.of_record(record)
    words = [text.partition("token ")[2] for text in said if "token " in text]
    labels = dict(zip(arms, (w.replace(" (", "\n").rstrip(")") for w in words), strict=False))
    figure = Figure((9.0, 3.4), layout="constrained")
    for axes, some, title in zip(
        figure.subplots(1, 2, sharey=True, width_ratios=(1, 2)),
        (PARTS, ["nothing", *arms]),
        ("a  At a part of the prompt", "b  At one token of the system prompt"),
        strict=True,
    ):
        for i, arm in enumerate(some):
            numbers = effects.own(part, arm) - base
            e, values = effects.estimate(numbers), numbers.ravel()
            x = i + np.linspace(-0.2, 0.2, len(values))
            axes.plot(
                x,
                values,
                "o",
                ms=2,
                mew=0,
                color="#1170aa",
                alpha=0.6,
                label="students" if i == 0 else None,
            )
            half = [[e.mean - e.low], [e.high - e.mean]]
            axes.errorbar(i, e.mean, half, fmt="_", ms=9, color="black", capsize=2, lw=1, zorder=3,
                          label="mean, 95 % interval" if i == 0 else None)  # fmt: skip
        axes.set_xticks(range(len(some)), [labels.get(arm, arm) for arm in some], fontsize=7)
        axes.axhline(0, color="black", lw=0.7, zorder=0)
        axes.set_title(title, fontsize=8.5, loc="left")
        axes.set_xlabel("where the reference's activations are put back", fontsize=8)
    figure.axes[0].legend(fontsize=6.5, loc="upper right")
    figure.axes[0].set_ylabel("log-odds of the own trait\nabove the reference's (nats)", fontsize=8)
    n = len(set(table["member"]))
    style.caption(
        figure,
        record,
        n,
        f"What students of {record['config']['teacher']} teachers keep of the trait with their "
        f"reference's activations put back at one place; {style.counted(n, 'reference model')}. "
        f"Dots: students. Lines: mean and 95 % t interval over {style.over(n)}.",
    )
    return figure
