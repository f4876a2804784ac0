"""Every line of `theory.statement`, measured in float64: `python -m theory.check`.

"Worst error" is over all cases of a claim; a claim fails if it is above the limit or not a number.
Rows marked "shown" are no theorem: they are what happens without its assumptions. The exit status
is 1 if a claim fails.
"""

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tyro
from jaxtyping import Array
from rich.table import Table

from lab import devices
from lab.errors import LabError
from lab.runs.endings import one_line
from lab.runs.progress import Meter, console
from theory.measured import ALPHA, DISTANCES, Measured, measure, residue, starts_of
from theory.programs import EXCEPTIONS, PROGRAMS, Program

# The third order may be this part of the second at the larger distance; else an eps is not small.
THIRD_ORDER = 0.1

Numbers = np.ndarray | Array


@dataclass(frozen=True)
class Claim:
    """A statement, the error of each case (nan if it cannot be had), and the most it may be."""

    text: str
    limit: float
    error: Callable[[Measured], Numbers]
    smooth: bool = False
    """Asked only of activations that have all derivatives."""


def _relative(found: Numbers, expected: Numbers, scale: Numbers) -> np.ndarray:
    """Error relative to the expected value; a value far below `scale` counts as that of scale."""
    error = np.abs(np.asarray(found) - np.asarray(expected))
    return error / np.maximum(np.abs(expected), 1e-6 * np.asarray(scale))


def _ratio(m: Measured, of: str) -> np.ndarray:
    """[S N] error of the first order at finite eps over its second-order prediction, kept cases."""
    first, second, third = (getattr(m.taylor[n], of)[:, None] for n in (1, 2, 3))
    predicted = {"product": m.B, "change": m.C}[of][:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (getattr(m.same, of) - first * m.eps) / (predicted * m.eps**2)
    kept = np.abs(third[:, 0]) * m.eps[:, 0] < THIRD_ORDER * np.abs(second[:, 0])
    return ratio[kept]


def _order(m: Measured, of: str) -> np.ndarray:
    """Slope of log error against log eps, kept cases."""
    large, small = np.abs(_ratio(m, of)).T
    step = np.log(DISTANCES[0] / DISTANCES[1])
    return 2 + np.log(large / small) / step


def _second_order(what: str, of: str) -> tuple[Claim, ...]:
    """That `what` is 1 but for the third order, which falls with the distance squared."""
    bounds = (1.2 * THIRD_ORDER, 0.12 * THIRD_ORDER)
    at = lambda i, bound: Claim(
        f"{what} = 1, t {DISTANCES[i]:g}",
        bound,
        lambda m: np.abs(_ratio(m, of)[:, i] - 1),
        smooth=True,
    )
    order = Claim("  its order is 2", 0.1, lambda m: np.abs(_order(m, of) - 2), smooth=True)
    return (*(at(i, bound) for i, bound in enumerate(bounds)), order)


CLAIMS = (
    Claim(
        "d/deps D_S.D_T = A",
        1e-12,
        lambda m: _relative(m.taylor[1].product, m.A, m.A),
    ),
    Claim(
        "d2 L_T / deps dalpha = -A",
        1e-12,
        lambda m: _relative(m.taylor[1].slope, -m.A, m.A),
    ),
    Claim(
        f"d/deps L_T = -alpha A, alpha {ALPHA}",
        1e-12,
        lambda m: _relative(m.taylor[1].change, -ALPHA * m.A, m.A),
    ),
    Claim(
        "second order of D_S.D_T = B",
        1e-6,
        lambda m: _relative(m.taylor[2].product, m.B, m.A),
    ),
    Claim(
        "second order of L_T = C",
        1e-6,
        lambda m: _relative(m.taylor[2].change, m.C, m.A),
    ),
    Claim("A >= 0", 0.0, lambda m: np.maximum(-np.minimum(m.A, m.taylor[1].product), 0.0)),
    Claim("D_S.D_T > 0 (1 if not)", 0.0, lambda m: 1.0 * ~(m.same.product > 0)),
    Claim("L_T falls (1 if not)", 0.0, lambda m: 1.0 * ~(m.same.change < 0)),
    *_second_order("D_S.D_T - A eps over B eps^2", "product"),
    *_second_order("L_T + alpha A eps over C eps^2", "change"),
)

# 1e-15: a sum of hundreds of products that cancel, rounded. Through the head it is 0, not near it.
EXCEPTION_CLAIMS = (
    ("out of reach: A and D_S.D_T = 0", "class_head", 0.0),
    ("invisible shift: A and D_S.D_T = 0", "shift", 1e-15),
)


class Row(NamedTuple):
    """A line of the table."""

    claim: str
    cases: int
    worst: str
    verdict: str


def judge(claim: str, errors: Sequence[Numbers], limit: float) -> Row:
    """The claim on all its cases; none at all, or one that is not a number, is a failure."""
    cases = np.concatenate([np.ravel(e) for e in errors])
    holds = len(cases) > 0 and bool(np.all(cases <= limit))
    worst = f"{np.max(cases):.1e} of {limit:.2g}" if len(cases) else "no case"
    return Row(claim, len(cases), worst, "holds" if holds else "FAILS")


def shown(smooth: list[Measured], kinked: list[Measured], every: list[Measured]) -> list[Row]:
    """What happens without the assumptions: numbers to look at, not claims."""
    rows = []
    product = np.concatenate([m.other.product for m in every])
    change = np.concatenate([m.other.change for m in every])
    ratio = np.median(np.abs(product[:, 0] / product[:, 1]))
    rows.append(("other start: D_S.D_T > 0", product, f"{np.mean(product[:, 1] > 0):.0%}"))
    rows.append(("other start: L_T falls", change, f"{np.mean(change[:, 1] < 0):.0%}"))
    rows.append(("other start: D_S.D_T at 10 t over t", product, f"median {ratio:.2f}"))
    ratio = np.median(np.concatenate([m.same.product[:, 0] / m.same.product[:, 1] for m in every]))
    rows.append(("shared start: the same", product, f"median {ratio:.2f}"))
    for name, group in (("smooth", smooth), ("ReLU", kinked)):
        if group:
            orders = np.concatenate([_order(m, "product") for m in group])
            near = f"{np.mean(np.abs(orders - 2) < 0.1):.0%}"
            rows.append((f"{name}: order of the error is 2 +- 0.1", orders, near))
    return [Row(text, len(values), number, "shown") for text, values, number in rows]


def check(programs: Sequence[Program], exceptions: Sequence[Program], n_seeds: int) -> list[Row]:
    """The table of all claims on the given programs."""
    for model in {p.model for p in (*programs, *exceptions)}:
        starts_of(model, n_seeds)
    # Compiling is most of the work, and XLA does it outside of Python's lock.
    with ThreadPoolExecutor(2) as pool, Meter(len(programs) + len(exceptions)) as meter:

        def collect(of: Callable, cases: Sequence[Program]) -> dict[Program, Any]:
            found = {}
            for case, value in zip(cases, pool.map(lambda p: of(p, n_seeds), cases), strict=True):
                found[case] = value
                meter.advance(case.name)
            return found

        measured, residues = collect(measure, programs), collect(residue, exceptions)
    rows = []
    for claim in CLAIMS:
        asked = [p for p in programs if p.smooth or not claim.smooth]
        if asked:
            rows.append(judge(claim.text, [claim.error(measured[p]) for p in asked], claim.limit))
    for text, trait, limit in EXCEPTION_CLAIMS:
        asked = [p for p in exceptions if p.trait == trait]
        if asked:
            rows.append(judge(text, [residues[p] for p in asked], limit))
    smooth = [measured[p] for p in programs if p.smooth]
    kinked = [measured[p] for p in programs if not p.smooth]
    return rows + (shown(smooth, kinked, smooth + kinked) if programs else [])


def main(seeds: int = 100, programs: tuple[str, ...] = ()) -> int:
    """Check the theorem; 0 if every claim holds.

    Args:
        seeds: initialisations and data sets of each program.
        programs: only those whose name contains one of these words; default all.
    """
    if seeds < 1:
        raise LabError(f"seeds: {seeds} is not positive; use 1 or more")
    chosen = lambda all_: [p for p in all_ if not programs or any(w in p.name for w in programs)]
    picked, exceptions = chosen(PROGRAMS), chosen(EXCEPTIONS)
    if not picked and not exceptions:
        names = ", ".join(p.name for p in (*PROGRAMS, *EXCEPTIONS))
        raise LabError(f"programs: none is called {' or '.join(programs)}; there are {names}")
    began = time.monotonic()
    rows = check(picked, exceptions, seeds)
    table = Table("claim", "cases", "worst error of limit", "verdict")
    for column in table.columns:
        column.no_wrap = True
    for row in rows:
        table.add_row(row.claim, str(row.cases), row.worst, row.verdict)
    console.print(table)
    failed = sum(row.verdict == "FAILS" for row in rows)
    console.print(
        f"{len(picked)} distinct programs and {len(exceptions)} exceptions x {seeds} seeds, "
        f"{time.monotonic() - began:.0f} s; {failed} claims fail"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    with one_line():
        devices.start()
        sys.exit(tyro.cli(main, prog="python -m theory.check", description=__doc__))
