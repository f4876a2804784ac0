"""What orders pairs by transfer: coverage over all pairs and within one init, then every number."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from lab.runs import claims, results
from lab.runs.claims import Claim

ARMS = {"other init": "cross_all", "mixed init": "reference", "shared init": "student_all"}
FIRST, BASELINE = "coverage of the first update", "part of another init alone"
MORE = f"{FIRST} minus {BASELINE}"
# Series of the last panel: group of the claims, end of their text, marker, colour, place.
SERIES = {
    "ρ": ("within shared init, every predictor", ", Spearman", "o", "student_all", -0.14),
    "ρ given the recipe": (
        "within shared init, given the recipe",
        " given the recipe, partial Spearman",
        "D",
        "cross_all",
        0.14,
    ),
}
PANELS = {
    "a  Pairs that differ in everything": ("drawn", tuple(ARMS), "all pairs"),
    "b  Pairs of one recipe": ("one", tuple(ARMS), "one recipe"),
    "c  Pairs of a shared init, of a": ("drawn", ("shared init",), "shared init"),
}


def figure(table: results.Table, record: dict) -> Figure:
    """Transfer against coverage, a dot a pair, and how well every predictor orders one init."""
    figure = Figure((9.6, 6.6), layout="constrained")
    found = claims.of_record(record)
    grid = figure.add_gridspec(3, 2, width_ratios=(1, 0.78))
    panels = [figure.add_subplot(grid[i, 0]) for i in range(len(PANELS))]
    for axes, (title, (recipe, arms, group)) in zip(panels, PANELS.items(), strict=True):
        _dots(axes, table, recipe, arms)
        axes.set_title(f"{title} (n = {_count(table, recipe, arms)})", fontsize=8.5, loc="left")
        said = [
            _said(found, group, what) for what in (FIRST, BASELINE, f"{FIRST} minus {BASELINE}")
        ]
        note = "\n".join([*filter(None, said), *_known(found, group)])
        axes.text(1.0, 0.98, note, transform=axes.transAxes, va="top", ha="right", fontsize=6.5)
        axes.legend(fontsize=7, loc="lower right", ncols=3, handletextpad=0.1, columnspacing=1)
    of_what = "cosine of the student's first update and the teacher's displacement"
    panels[-1].set_xlabel(f"coverage: {of_what}", fontsize=8)
    _forest(figure.add_subplot(grid[:, 1]), [*found.values()])
    style.caption(
        figure,
        record,
        len(table["member"]),
        "Member: a teacher and its student of auxiliary logits on noise (dots). ρ: Spearman's "
        "correlation with transfer; AUROC: of transfer or none; intervals: 95 %, bootstrap over "
        "pairs. Init alone: part of another init in the student's. Recipe: learning rate, epochs, "
        "logits, width. Band in d: the best of all on shuffled pairs. Published: arXiv 2606.22019.",
    )
    return figure


def _rows(table: results.Table, recipe: str, arm: str):
    return (table["recipe"] == recipe) & (table["arm"] == arm)


def _count(table: results.Table, recipe: str, arms: tuple[str, ...]) -> int:
    return sum(int(_rows(table, recipe, arm).sum()) for arm in arms)


def _dots(axes: Axes, table: results.Table, recipe: str, arms: tuple[str, ...]) -> None:
    for arm in arms:
        rows = _rows(table, recipe, arm)
        x, y = table["coverage"][rows], table["transfer"][rows]
        colour = style.COLOURS[ARMS[arm]]
        axes.plot(x, y, "o", ms=2.6, mew=0, alpha=0.6, color=colour, label=arm)
    axes.axhline(0, color="black", lw=0.7, zorder=0)
    axes.set_ylim(-0.5, 1.65)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("part of the teacher's\ngain that passed", fontsize=8)


def _said(found: dict[str, Claim], group: str, what: str) -> str:
    """ρ and AUROC of a claim as text."""
    both = [found.get(f"{group}: {what}, {title}") for title in ("Spearman", "AUROC")]
    names = zip(("ρ", "AUROC"), both, strict=True)
    numbers = [f"{name} {c.number(2)}" for name, c in names if c is not None]
    short = what.replace(FIRST, "coverage").replace(BASELINE, "init alone")
    return f"{short}: {', '.join(numbers)}" if numbers else ""


def _known(found: dict[str, Claim], group: str) -> list[str]:
    """What is published of coverage, beside the group that it is compared with."""
    both = (found.get(f"{group}: {FIRST}, {title}") for title in ("Spearman", "AUROC"))
    names = zip(("ρ", "AUROC"), both, strict=True)
    numbers = [f"{name} {c.published}" for name, c in names if c is not None and c.published]
    return [f"published, another toy: coverage: {', '.join(numbers)}"] if numbers else []


def _forest(axes: Axes, found: list[Claim]) -> None:
    """A line for each predictor within pairs of a shared init: alone, and given the recipe."""
    axes.set_title("d  Of a, shared init: every number known early", fontsize=8.5, loc="left")
    places: dict[str, int] = {}
    for label, (group, end, mark, colour, shift) in SERIES.items():
        some = {c.text.split(": ")[1].removesuffix(end): c for c in found if c.group == group}
        at = [places.setdefault(name, len(places)) + shift for name in some]
        mean = [c.mean for c in some.values()]
        half = [
            [c.mean - c.low for c in some.values()],
            [c.high - c.mean for c in some.values()],
        ]
        axes.errorbar(
            mean, at, xerr=half, fmt=mark, ms=3, lw=1, color=style.COLOURS[colour], label=label
        )
    nulls = [c.null for c in found if c.group == SERIES["ρ"][0]]
    if nulls:
        low, high = map(float, nulls[0].split("(")[1].split(")")[0].split(" to "))
        axes.axvspan(low, high, color="black", alpha=0.08, lw=0, label="best by luck, 95 %")
    axes.axvline(0, color="black", lw=0.7)
    axes.set_yticks(range(len(places)), list(places), fontsize=7)
    axes.set_ylim(len(places) + 1.6, -0.8)
    axes.set_xlim(-0.6, 1)
    axes.set_xlabel("correlation with transfer, ρ", fontsize=8)
    axes.legend(fontsize=6.5, loc="lower right", handletextpad=0.4)
