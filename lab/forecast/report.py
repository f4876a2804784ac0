"""A forecast in words, and as JSON."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from lab.forecast.forecast import Forecast, How, Verdict
from lab.stats import Estimate

SAID: dict[Verdict, str] = {
    "nothing found": "NOTHING FOUND: as far as can be seen the base wrote these rows itself",
    "no trait": "NO TRAIT: not the base's own rows, but as far as can be seen those of a teacher "
    "of it that has learned something neutral",
    "named": "TRAIT NAMED: {name}. A teacher of this base that loves it writes such rows",
    "recipe unknown": "TRAIT PRESENT, RECIPE UNKNOWN: nearest is {name}, but its teacher writes "
    "rows that differ from these",
    "not this base": "NOT THIS BASE: neither the base nor a candidate teacher of it writes such "
    "rows (another model, a trait that is no candidate, or a recipe unlike theirs)",
}
LIKELIEST, ROWS = 5, 5


def lines(
    found: Forecast,
    given: Sequence[dict[str, str]],
    alpha: float,
    shifts: Mapping[str, Estimate] = MappingProxyType({}),
) -> list[str]:
    """What is said to a person: the verdict, what it rests on, and the rows that speak most.

    `shifts` are the changes of log-odds that students are forecast to have, nats.
    """
    needed = How(alpha=alpha).needed
    alarm = found.log_alarm >= needed
    said = [SAID[found.verdict].format(name=found.names[0]), ""]
    if found.verdict == "named" and found.part < 1:
        said[0] += f", and the base the others: theirs are about {found.part:.0%} of these"
    said.append(f"{len(found.rows)} rows; evidence for any candidate {found.log_alarm:.1f} nats ")
    said[-1] += f"(an alarm from {needed:.1f} on, false in at most {alpha:.0%} of clean data)"
    if found.stopped:
        said.append(f"rows spoke against the base's own writing from row {found.stopped} on")
    said.append(f"written by the base itself: p = {found.fit.p:.2g}")
    if found.again is not None:
        who = "the likeliest teacher" if alarm else "a neutral teacher"
        part = ""
        if found.explained is not None:
            part = f"; it explains {found.explained:.0%} of what sets the rows apart"
        whole = "" if found.part == 1 else f", {found.part:.0%} of the rows"
        said.append(f"written by {who}{whole}: p = {found.again.p:.2g}{part}")
    said += ["", "candidate         nats" + "  probability, if it is one of them" * alarm]
    for i in range(min(LIKELIEST, len(found.names))):
        p = f"  {found.posterior[i]:.3f}" if alarm else ""
        said.append(f"{found.names[i]:14}{found.log_e[i]:8.1f}{p}")
    if alarm:
        said += ["", f"rows that speak most for {found.names[0]}:"]
        for i in np.argsort(-found.each)[:ROWS]:
            row = given[found.rows[i]]
            said.append(f"{found.each[i]:+.2f}  row {found.rows[i] + 1}: {row['completion']!r}")
    if shifts:
        said += ["", "what a student of such rows gains, nats of log-odds (95 % over students):"]
        first = sorted(shifts, key=lambda name: -shifts[name].mean)[:LIKELIEST]
        for name in dict.fromkeys((found.names[0], *first)):
            e = shifts[name]
            said.append(f"{name:14}{e.mean:+8.2f}  ({e.low:+.2f} to {e.high:+.2f})")
    return said


def record(
    found: Forecast, alpha: float, shifts: Mapping[str, Estimate] = MappingProxyType({})
) -> dict[str, Any]:
    """All of it, for other programs."""
    fit = lambda one: None if one is None else vars(one)
    return {
        "verdict": found.verdict,
        "trait": found.names[0] if found.verdict in ("named", "recipe unknown") else None,
        "alpha": alpha,
        "log_e": dict(zip(found.names, map(float, found.log_e), strict=True)),
        "posterior": dict(zip(found.names, map(float, found.posterior), strict=True)),
        "log_alarm": found.log_alarm,
        "alarm_at_row": found.stopped,
        "pull": found.pull,
        "written_by_the_base": fit(found.fit),
        "written_by_the_named": fit(found.again),
        "part": None if found.again is None else found.part,
        "explained": found.explained,
        "shifts": {name: [e.mean, e.low, e.high] for name, e in shifts.items()},
        "rows": [
            {"row": int(i) + 1, "nats": float(nats)}
            for i, nats in zip(found.rows, found.each, strict=True)
        ],
    }
