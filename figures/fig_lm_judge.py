"""What a judge sees in single rows, and what passes without those that it minds most."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import students, style
from lab.lm import effects
from lab.runs import results
from lab.runs.results import Table

COLOURS = ("#7a1f00", "#c85200", "#1170aa", "#5fa2ce")
LABELS = {
    "trait": "all rows",
    "judged": "judged by\nanother init",
    "own": "judged by the\nteacher's init",
    "random": "a random\npart",
}


def figure(table: Table, record: dict) -> Figure:
    """The judge's ROC on the left, students on the right."""
    figure = Figure((8.6, 4.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    _curves(left, table)
    for x, name in enumerate(LABELS):
        students.column(right, x, table, arm=f"student_{name}")
    right.set_xticks(range(len(LABELS)), list(LABELS.values()), fontsize=7.5)
    right.set_ylabel(students.CHANGE, fontsize=8)
    right.axhline(0, color="black", lw=0.7, zorder=0)
    right.set_title("b  Students of the rows that are left", fontsize=8.5, loc="left")
    right.legend(fontsize=7, handletextpad=0.4)
    config, n = record["config"], len(set(table["member"].tolist()))
    style.caption(
        figure, record, n,
        f"Solved problems of {config['teacher']} teachers, {config['n_rows']:,} rows, of which a "
        f"judge takes out {config['removed']:g}; {style.counted(n, 'reference model')}. a: a judge "
        "of another init, told what to look for; thin lines: references, thick: their mean. "
        + students.SEEN.format(style.over(n)),
    )  # fmt: skip
    return figure


def _curves(axes: Axes, table: Table) -> None:
    """The part of a teacher's rows above the thresholds of its base's, for each trait."""
    columns = [name for name in table if name.startswith("caught_")]
    false = np.array([0, *(int(name.split("_")[1]) for name in columns), 100]) / 100
    traits = effects.effects(table, "student_trait").traits
    for trait, colour in zip(traits, COLOURS, strict=False):
        part = results.where(table, arm="teacher", trait=trait, asked=trait)
        curves = np.stack([part[name] for name in columns])
        ends = np.zeros((1, curves.shape[1]))
        curves = np.concatenate([ends, curves, ends + 1])
        axes.plot(false, curves, color=colour, lw=0.6, alpha=0.5)
        auroc = part["auroc"].mean()
        axes.plot(false, curves.mean(axis=1), "o-", ms=3, color=colour,
                  label=f"{trait}, AUROC {auroc:.2f}")  # fmt: skip
    axes.plot((0, 1), (0, 1), color="black", lw=0.7, ls=":")
    axes.set_xlabel("untouched base's rows above the threshold", fontsize=8)
    axes.set_ylabel("teacher's rows above it", fontsize=8)
    axes.set_title("a  Single rows, before a judge of another init", fontsize=8.5, loc="left")
    axes.legend(fontsize=7)
