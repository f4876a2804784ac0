"""Six panels, one for every assumption of the theorem that is dropped."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from lab.runs import results

FARTHEST = 10.0  # of `theory.failures`: the longest move of a teacher that is tried
SHARED, OTHER, NEITHER = (style.COLOURS[a] for a in ("student_all", "cross_all", "teacher"))
RULES = {"gradient step": SHARED, "adam step": "#a3acb9", "sign step": OTHER}


def figure(table: results.Table, record: dict) -> Figure:
    """The six panels."""
    figure = Figure((8.4, 5.6), layout="constrained")
    panels = (_start, _weights, _steps, _rules, _labels, _width)
    for axes, panel in zip(figure.subplots(2, 3).flat, panels, strict=True):
        axes.tick_params(labelsize=7)
        panel(axes, table)
    style.caption(
        figure,
        record,
        len(set(table["member"])),
        "Dot, triangle or thin line: a member, a network with its own data. Thick, dashed or "
        "dotted line: median over members (e: of sizes). No interval is drawn; claims have theirs.",
        "$D_T$, $D_S$: displacement of the teacher, and of the student that imitates it; pulled "
        "towards the teacher where $D_S\\cdot D_T > 0$.",
    )
    return figure


def _lines(axes: Axes, table: results.Table, arm: str, colour: str, label: str) -> None:
    at, values = results.curves(table, arm, "at", "value")
    axes.plot(at, values.T, color=colour, lw=0.4, alpha=0.35)
    _, (median,) = results.quantiles(table, arm, "at", "value")
    axes.plot(at, median, color=colour, lw=1.8, label=label)


def _named(axes: Axes, title: str, x: str, y: str, where: Any = "best") -> None:
    axes.set_title(title, fontsize=8.5, loc="left")
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    if axes.get_legend_handles_labels()[0]:
        style.legend(axes, loc=where, handlelength=1.4)


def _cloud(axes: Axes, at: np.ndarray, values: np.ndarray, colour: str, mark: str, label: str):
    """A mark for every member at each place, a little to the side of it on a log axis."""
    rng = np.random.default_rng(0)  # places the marks sideways, nothing else
    x = at * np.exp(rng.uniform(-0.3, 0.3, values.shape))
    face = colour if mark == "o" else "none"
    style = {"ms": 2 if mark == "o" else 3, "mew": 0 if mark == "o" else 0.5, "alpha": 0.6}
    axes.plot(x.ravel(), values.ravel(), mark, mfc=face, mec=colour, label=label, **style)


def _start(axes: Axes, table: results.Table) -> None:
    for arm, colour in (("other start", OTHER), ("shared start", SHARED)):
        at, values = results.curves(table, arm, "at", "value")
        _cloud(axes, at, values, colour, "o", arm)
    _lines(axes, table, "trait out of reach", NEITHER, "trait out of reach: 0")
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=1e-5)
    axes.set_yticks([-1e-1, -1e-3, -1e-5, 0, 1e-5, 1e-3, 1e-1])
    y = "$D_S\\cdot D_T\\,/\\,|D_T|$"
    _named(axes, "a  Another start", "distance t moved by teacher", y, (0.25, 0.17))


def _weights(axes: Axes, table: results.Table) -> None:
    _lines(axes, table, "weight of half the logits", SHARED, "median")
    axes.axhline(0, color="black", lw=0.7)
    left = axes.get_xlim()[0]
    axes.axvspan(left, 0, color=OTHER, alpha=0.08, lw=0, label="negative weight")
    axes.margins(x=0)
    y = "cosine of $D_S$ and $D_T$"
    _named(axes, "b  A loss with negative weights", "weight of every second logit", y)


def _steps(axes: Axes, table: results.Table) -> None:
    at, values = results.curves(table, "L_T first rises", "at", "value")
    beyond = values > 0.999 * FARTHEST
    _cloud(axes, at, np.where(beyond, np.nan, values), SHARED, "o", "measured")
    top = np.where(beyond, FARTHEST * 1.5, np.nan)
    _cloud(axes, at, top, SHARED, "^", f"no rise up to {FARTHEST:g}")
    for place, share in zip(at, np.mean(beyond, axis=0), strict=True):
        axes.text(
            place, FARTHEST * 2.1, f"{100 * share:.0f}", fontsize=6, ha="center", color=SHARED
        )
    _, (expected,) = results.quantiles(table, "L_T first rises, second order", "at", "value")
    expected = np.where(expected > 0.999 * FARTHEST, np.nan, expected)  # no rise at the median
    axes.plot(at, expected, "--", color="black", lw=1, label="second order")
    axes.axhline(FARTHEST, color="black", lw=0.5, ls=":")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(top=FARTHEST * 3.2)
    x, y = "student's step $\\alpha$ (top: % without rise)", "t from which trait loss rises"
    _named(axes, "c  Long steps", x, y, "lower left")


def _rules(axes: Axes, table: results.Table) -> None:
    rng = np.random.default_rng(0)  # places the dots sideways, nothing else
    for j, (arm, colour) in enumerate(RULES.items()):
        at, values = results.curves(table, arm, "at", "value")
        below = results.share_below(table, arm, "at", "value")
        for i, column in enumerate(values.T):
            x = i + 0.28 * (j - 1)
            sideways = x + rng.uniform(-0.08, 0.08, len(column))
            axes.plot(sideways, column, "o", ms=2, mew=0, color=colour, alpha=0.7)
            axes.text(x, 1.0, f"{below[i]:.0%}", fontsize=6, ha="center",
                      transform=axes.get_xaxis_transform(), color=colour)  # fmt: skip
        axes.plot([], [], "o", ms=3, color=colour, label=arm)
        axes.set_xticks(range(len(at)), [f"{n:g}" for n in at])
    axes.axhline(0, color="black", lw=0.7)
    axes.set_ylim(top=1.4 * axes.dataLim.ymax)  # room for the legend
    y = "cosine of first update and $D_T$"
    _named(axes, "d  Other update rules\n", "inputs imitated (top: share below 0)", y)


def _labels(axes: Axes, table: results.Table) -> None:
    styles = {
        "sampled labels, spread": (SHARED, "-", "drawn labels: spread"),
        "sampled labels, spread predicted": ("black", "--", "$1/(\\epsilon\\sqrt{A N n})$"),
        "sampled labels, bias": (SHARED, ":", "drawn labels: bias"),
        "most likely label, bias": (OTHER, "-", "most likely label: bias"),
    }
    for arm, (colour, line, label) in styles.items():
        size = table | {"value": np.abs(table["value"])}
        at, (median,) = results.quantiles(size, arm, "at", "value")
        axes.plot(at, median, line, color=colour, lw=1.5, label=label)
        if colour != "black":  # predicted for each, and much the same
            _, each = results.curves(size, arm, "at", "value")
            axes.plot(at, each.T, color=colour, lw=0.3, alpha=0.25)
    axes.axhline(1, color="black", lw=0.7)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(bottom=2e-3)
    _named(
        axes, "e  Labels for outputs", "labels drawn per input, n", "size of relative error of pull"
    )


def _width(axes: Axes, table: results.Table) -> None:
    _lines(axes, table, "lazy prediction, relative error", SHARED, "error of lazy prediction")
    _lines(axes, table, "transfer of the trained student", OTHER, "transfer")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    _named(axes, "f  Many steps, wide networks", "hidden units", "fraction")
