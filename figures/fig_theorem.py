"""Six panels, one for every assumption of the theorem that is dropped."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from lab.runs import results

SHARED, OTHER, NEITHER = (style.COLOURS[a] for a in ("student_all", "cross_all", "teacher"))
RULES = {"gradient step": SHARED, "adam step": "#a3acb9", "sign step": OTHER}


def figure(table: results.Table, record: dict) -> Figure:
    """The six panels."""
    figure = Figure((8.4, 5.2), layout="constrained")
    panels = (_start, _weights, _steps, _rules, _labels, _width)
    for axes, panel in zip(figure.subplots(2, 3).flat, panels, strict=True):
        axes.tick_params(labelsize=7)
        panel(axes, table)
    n = len(set(table["member"]))
    figure.suptitle(
        f"{style.members(record, n)}; thin lines and dots: members, thick lines: median",
        fontsize=8,
        x=0.01,
        ha="left",
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
        axes.legend(fontsize=6.5, loc=where, handlelength=1.4)


def _start(axes: Axes, table: results.Table) -> None:
    _lines(axes, table, "other start", OTHER, "other start")
    _lines(axes, table, "shared start", SHARED, "shared start")
    _lines(axes, table, "trait out of reach", NEITHER, "trait out of reach: 0")
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=1e-5)
    axes.set_yticks([-1e-1, -1e-3, -1e-5, 0, 1e-5, 1e-3, 1e-1])
    y = "$D_S\\cdot D_T\\,/\\,|D_T|$"
    _named(axes, "a  Another start", "distance t moved by teacher", y, (0.25, 0.17))


def _weights(axes: Axes, table: results.Table) -> None:
    _lines(axes, table, "weight of half the logits", SHARED, "")
    axes.axhline(0, color="black", lw=0.7)
    axes.axvspan(axes.get_xlim()[0], 0, color=OTHER, alpha=0.08, lw=0)
    axes.margins(x=0)
    _named(axes, "b  A loss with negative weights", "weight of every second logit", "cosine")


def _steps(axes: Axes, table: results.Table) -> None:
    ends = (0.1, 0.5, 0.9)
    at, (low, median, high) = results.quantiles(table, "L_T first rises", "at", "value", ends)
    axes.fill_between(at, low, high, color=SHARED, alpha=0.2, lw=0, label="80 % of members")
    axes.plot(at, median, color=SHARED, lw=1.8, label="measured")
    _, (expected,) = results.quantiles(table, "L_T first rises, second order", "at", "value")
    axes.plot(at, expected, "--", color="black", lw=1, label="second order")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.text(0.97, 0.9, "trait loss rises", transform=axes.transAxes, ha="right", fontsize=7)
    axes.text(0.05, 0.3, "trait loss falls", transform=axes.transAxes, fontsize=7)
    _named(axes, "c  Long steps", "student's step $\\alpha$", "distance t", "lower left")


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
    _named(axes, "d  Other update rules\n", "inputs imitated (top: share below 0)", "cosine")


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
    axes.axhline(1, color="black", lw=0.7)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(bottom=2e-3)
    _named(axes, "e  Labels for outputs", "labels drawn per input, n", "relative error of the pull")


def _width(axes: Axes, table: results.Table) -> None:
    _lines(axes, table, "lazy prediction, relative error", SHARED, "error of lazy prediction")
    _lines(axes, table, "transfer of the trained student", OTHER, "transfer")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    _named(axes, "f  Many steps, wide networks", "hidden units", "fraction")
