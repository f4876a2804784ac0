"""Cosine of the two gradients along training, by arm and by definition, and what it carries."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from lab.runs import claims, results

ARMS = {
    "imitation": ("#1170aa", "-"),
    "random part removed": ("#5fa2ce", "--"),
    "liminal": ("#a3acb9", "-"),
    "aligned part removed": ("#57606c", "--"),
    "aligned update removed": ("#000000", ":"),
    "other init": ("#c85200", "-"),
}
CONTROLS = ("random part removed", "other init")
PUBLISHED = 0.008  # about; arXiv 2604.25779
LOST = ": part of the gain lost"


def figure(table: results.Table, record: dict) -> Figure:
    """Cosine and accuracy along training, and the part of the gain that each treatment costs."""
    figure = Figure((9.0, 6.4), layout="constrained")
    by_arm, by_definition, accuracy, lost = figure.subplots(2, 2).flat
    batch, large = record["config"]["student"]["batch"], record["config"]["large"]
    _along(by_arm, table, {arm: (arm, "cosine", *look) for arm, look in ARMS.items()})
    _named(by_arm, f"a  Every arm, all parameters, {batch:,} rows", "cosine")
    blue, orange = ARMS["imitation"][0], ARMS["other init"][0]
    series = {
        f"all parameters, {batch:,} rows": ("imitation", "cosine", blue, ":"),
        f"all parameters, {large:,} rows": ("imitation", "large", blue, "-"),
        f"hidden layers, {large:,} rows": ("imitation", "large_hidden", "#57606c", "-"),
        f"first layer, {large:,} rows": ("imitation", "large_first", "#a3acb9", "-"),
        f"other init, hidden layers, {large:,} rows": ("other init", "large_hidden", orange, "-"),
    }
    _along(by_definition, table, series)
    _named(by_definition, "b  Plain imitation, by definition of the cosine", "cosine")
    for axes in (by_arm, by_definition):
        axes.axhline(0, color="black", lw=0.7)
        axes.axhline(PUBLISHED, color="black", lw=0.8, ls=(0, (1, 2)), label="published, about")
    _along(accuracy, table, {arm: (arm, "accuracy", *look) for arm, look in ARMS.items()})
    accuracy.axhline(0.1, color="black", lw=0.7, ls=(0, (4, 3)), label="chance")
    _named(accuracy, "c  The trait, on training images", "accuracy")
    _bars(lost, record)
    for axes in (by_arm, by_definition, accuracy):
        axes.set_xlabel("student's step")
        low, high = axes.get_ylim()
        axes.set_ylim(low, low + 1.4 * (high - low))  # room for the legend
        axes.legend(fontsize=6, handlelength=2.2, columnspacing=1, loc="upper left", ncols=2)
    n = len(set(table["member"]))
    style.caption(
        figure,
        record,
        n,
        "Member: a teacher and its students of auxiliary logits on noise, an arm each. Cosine: of "
        "the gradients of imitation and of the trait, before each step. Thick lines, bands and "
        "bars: mean and 95 % t interval over members. Thin lines: members. Published: arXiv "
        "2604.25779.",
    )
    return figure


def _along(axes: Axes, table: results.Table, series: dict) -> None:
    """A line and its band along training for (arm, column, colour, line) of each label."""
    for label, (arm, value, colour, line) in series.items():
        steps, mean, low, high = results.band(table, arm, "step", value)
        axes.plot(steps, mean, line, color=colour, lw=1.6, label=label)
        _, each = results.curves(table, arm, "step", value)
        axes.plot(steps, each.T, line, color=colour, lw=0.5, alpha=0.6)
        axes.fill_between(steps, low, high, color=colour, alpha=0.1, lw=0)


def _named(axes: Axes, title: str, y: str) -> None:
    axes.set_title(title, fontsize=8.5, loc="left")
    axes.set_ylabel(y)


def _bars(axes: Axes, record: dict) -> None:
    """What each treatment costs, in parts of plain imitation's gain, from the record's claims."""
    found = claims.of_record(record)
    arms = [arm for arm in ARMS if f"{arm}{LOST}" in found]
    for i, arm in enumerate(arms):
        c = found[f"{arm}{LOST}"]
        axes.barh(i, c.mean, 0.6, color=ARMS[arm][0], alpha=0.75)
        axes.plot([c.low, c.high], [i, i], color="#e0a000", lw=2)
        axes.text(max(c.high, c.mean, 0) + 0.03, i, c.number(2), va="center", fontsize=7)
    axes.axvline(0, color="black", lw=0.7)
    axes.axvline(1, color="black", lw=0.7, ls=(0, (4, 3)))
    names = [arm + "\n(control)" * (arm in CONTROLS) for arm in arms]
    axes.set_yticks(range(len(arms)), names, fontsize=7.5)
    axes.invert_yaxis()
    axes.set_xlim(right=2.0)
    gain = found["imitation: gain"]
    untrained = found["untrained student"].mean
    axes.set_xlabel("part of plain imitation's gain that is lost", fontsize=8)
    axes.set_title(
        f"d  Lost of the gain in test accuracy, {untrained:.3f} to {untrained + gain.mean:.3f}",
        fontsize=8.5,
        loc="left",
    )
