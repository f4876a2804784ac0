"""Every line of `theory.statement`, measured in float64: `python -m theory.check`.

Each program is compiled once for all its seeds. Steps eps are given as the distance t that the
teacher moves, eps = t / |D_T|, so that one t suits every model. "Worst error" is over all cases of
a claim; a claim fails if it is above the limit or not a number. Rows marked "shown" are no theorem:
they are what happens without its assumptions. The exit status is 1 if a claim fails.
"""

import functools
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jaxtyping import Array, Float, Integer, PyTree
from rich.table import Table

from lab import devices
from lab.errors import LabError
from lab.runs.endings import one_line
from lab.runs.progress import Meter, console
from theory import expansion, gradients
from theory.gradients import Setting, Step
from theory.programs import EXCEPTIONS, PROGRAMS, QUICK, Program

ALPHA = 0.5
DISTANCES = (1e-2, 1e-3)
# The third order may be this part of the second at the larger distance; else an eps is not small.
THIRD_ORDER = 0.1

Numbers = np.ndarray | Array


class Measured(NamedTuple):
    """One program on all its seeds, S of them, at N distances, in float64."""

    A: Any  # [S], closed form
    B: Any  # [S], closed form
    C: Any  # [S], closed form
    taylor: tuple[Step, ...]  # [S] each, orders 0 to 3, by differentiation
    eps: Any  # [S N]
    same: Step  # [S N], from the shared start
    other: Step  # [S N], from another one


def measure(program: Program, n_seeds: int) -> Measured:
    """The program's quantities on seeds 0, 1, ..., in float64."""

    def one(seed: Integer[Array, ""], theta: PyTree, other: PyTree) -> Measured:
        setting, student = program.setting(seed, theta), theta
        A, B = expansion.product_closed_form(setting, theta)
        _, C = expansion.change_closed_form(setting, theta, ALPHA)
        taylor = expansion.coefficients(setting, student, theta, ALPHA, 3)
        eps = _eps(setting, theta)
        # A loop, so that the step is compiled once for both starts.
        starts = jax.tree.map(lambda a, b: jnp.stack([a, a, b, b]), student, other)
        steps = jax.lax.map(
            lambda at: gradients.step(setting, at[0], theta, at[1], ALPHA),
            (starts, jnp.tile(eps, 2)),
        )
        half = lambda rows: jax.tree.map(lambda v: v[rows], steps)
        return Measured(A, B, C, taylor, eps, half(slice(0, 2)), half(slice(2, 4)))

    return _over_seeds(one, program, n_seeds)


def residue(program: Program, n_seeds: int) -> np.ndarray:
    """Largest of A, its derivatives and D_S.D_T at finite eps; an exception makes all of them 0."""

    def one(seed: Integer[Array, ""], theta: PyTree, other: PyTree) -> Float[Array, "n"]:
        setting = program.setting(seed, theta)
        A = gradients.leading_coefficient(setting, theta)
        first = expansion.coefficients(setting, theta, theta, ALPHA, 1)[1]
        finite = jax.lax.map(
            lambda eps: gradients.step(setting, theta, theta, eps, ALPHA).product,
            _eps(setting, theta),
        )
        return jnp.stack([A, first.product, first.slope, *finite])

    return np.max(np.abs(_over_seeds(one, program, n_seeds)), axis=1)


def _eps(setting: Setting, theta: PyTree) -> Float[Array, "n"]:
    D_T = gradients.teacher_direction(setting, theta)
    return jnp.asarray(DISTANCES) / gradients.norm(D_T)


def _over_seeds(one: Callable, program: Program, n_seeds: int):
    with jax.enable_x64(True):
        seeds = jnp.arange(n_seeds, dtype=jnp.uint32)
        run = jax.jit(jax.vmap(one), compiler_options=QUICK)
        return jax.tree.map(np.asarray, run(seeds, *_starts(program.model, n_seeds)))


@functools.cache
def _starts(model: str, n_seeds: int) -> tuple[PyTree, PyTree]:
    program = next(p for p in (*PROGRAMS, *EXCEPTIONS) if p.model == model)
    with jax.enable_x64(True):
        draw = jax.jit(jax.vmap(program.starts), compiler_options=QUICK)
        return draw(jnp.arange(n_seeds, dtype=jnp.uint32))


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
        _starts(model, n_seeds)
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
