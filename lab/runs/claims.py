"""What a table says: estimates with their intervals, beside published numbers, and a verdict.

Claims are computed once, when a run ends, and stored in its record; the terminal, the README and
the figures print them. A verdict follows one of three rules, whose bounds are stated before a table
is made and stored beside it: `effect`, `absent` and `reproduced`. numpy only, never jax.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from lab.errors import LabError
from lab.stats import Estimate


@dataclass(frozen=True)
class Claim:
    """One line of a table of results."""

    text: str
    mean: float
    low: float  # ends of the 95 % interval; nan for a single run
    high: float
    n: int  # independent runs, or what the text says
    unit: str = ""
    published: str = ""  # the number that others found
    null: str = ""  # what the number is where the claim is false, and how that was measured
    verdict: str = ""  # by one of the rules below
    rule: str = ""  # which, with its bounds
    runs: str = ""  # what was run, if n alone does not say it: "5 references, 25 students"
    group: str = ""  # claims of a group are printed together
    detail: bool = False  # in the record and on the terminal, and in no README

    def number(self, digits: int | None = None) -> str:
        """Mean and interval as text, by default with as many digits as show both."""
        return interval(self.estimate, digits)

    @property
    def estimate(self) -> Estimate:
        """The number alone."""
        return Estimate(self.mean, self.low, self.high, self.n)

    @property
    def digits(self) -> int:
        """How many the number is printed with."""
        return digits_of(self.estimate)


def claim(text: str, e: Estimate, unit: str = "", **more: Any) -> Claim:
    """An estimate as a claim; `more` are the other fields, those of a rule among them."""
    return Claim(text, e.mean, e.low, e.high, e.n, unit, **more)


def effect(e: Estimate, null: Estimate, least: float, measured: str = "control") -> dict[str, str]:
    """Rule for an effect that is claimed: fields `verdict`, `rule` and `null` of a claim.

    "holds" if the interval lies beyond that of the null, on the side of `least`, and the means
    differ by `least` or more; "partly" if one of the two is so; else "not"; "open" where either has
    no interval. `least` is the smallest difference that would matter, negative for an effect that
    lowers; 0 raises `ValueError`.
    """
    if not abs(least) > 0:
        raise ValueError(f"least: {least} is no difference")
    sign = math.copysign(1.0, least)
    apart = sign * (e.mean - null.mean)
    clear = e.low > null.high if least > 0 else e.high < null.low
    met = clear + (apart >= abs(least))
    verdict = "open" if _lacks(e) or _lacks(null) else ("not", "partly", "holds")[met]
    side = "above" if least > 0 else "below"
    rule = f"interval {side} the null's, means {abs(least):g} apart at least (partly: one of both)"
    return {"verdict": verdict, "rule": rule, "null": f"{interval(null)}, {measured}"}


def absent(
    e: Estimate, within: float, positive: Estimate | None = None, measured: str = ""
) -> dict[str, str]:
    """Rule for the claim that there is nothing: fields of a claim, as `effect`'s.

    "holds" if the whole interval lies within +-`within`, so that too few runs never do; "not" if
    the mean lies outside and the interval has no 0 in it; else "open", as without an interval.
    `positive` is the same measurement where there is something, `measured`: unless that is an
    effect of `within` beside this, what finds nothing might do so anywhere, and "holds" is "open".
    """
    if not within > 0:
        raise ValueError(f"within: {within} leaves no room")
    if _lacks(e):
        verdict = "open"
    elif -within <= e.low and e.high <= within:
        verdict = "holds"
    else:
        verdict = "not" if abs(e.mean) > within and not e.low <= 0 <= e.high else "open"
    rule = f"interval within ±{within:g}"
    if positive is None:
        return {"verdict": verdict, "rule": rule, "null": ""}
    seen = effect(positive, e, math.copysign(within, positive.mean - e.mean))["verdict"] == "holds"
    return {
        "verdict": verdict if seen or verdict != "holds" else "open",
        "rule": f"{rule}, a positive control clear of it and {within:g} apart",
        "null": f"positive control: {interval(positive)}, {measured}",
    }


def reproduced(
    e: Estimate, published: tuple[float, float], margin: float, chance: float | None = None
) -> dict[str, str]:
    """Rule for a published mean and half of its interval: fields of a claim, as `effect`'s.

    "reproduced" if the two intervals overlap or the means differ by `margin` at most; "partly" if
    not so, but the mean is at least half as far from `chance`, on the same side; else "not". "open"
    without an interval, and where ours is so wide that it reaches chance although the published one
    does not: too few runs reproduce nothing.
    """
    mean, half = published
    first, last = mean - half, mean + half
    near = (e.low <= last and first <= e.high) or abs(e.mean - mean) <= margin
    part = vague = False
    if chance is not None and not first <= chance <= last:
        part = (e.mean - chance) / (mean - chance) >= 0.5
        vague = e.low <= chance <= e.high and near
    verdict = "reproduced" if near else "partly" if part else "not"
    return {
        "verdict": "open" if _lacks(e) or vague else verdict,
        "rule": f"intervals overlap or means differ by {margin:g} at most"
        + (" (partly: half as far from chance)" if chance is not None else ""),
        "null": "" if chance is None else f"{chance:g}, chance",
        "published": f"{mean:.4f} ± {half:.4f}" if half < 0.001 else f"{mean:.3f} ± {half:.3f}",
    }


def _lacks(e: Estimate) -> bool:
    """Whether an estimate is a single run's, or no number at all."""
    return any(math.isnan(x) for x in (e.mean, e.low, e.high))


def digits_of(e: Estimate) -> int:
    """As many as show two of a small number, and of half of a narrow interval."""
    half = (e.high - e.low) / 2
    half = 0.0 if half < 1e-9 * abs(e.mean) else half  # by rounding
    mean = 0.0 if abs(e.mean) < 1e-3 * half else e.mean  # by rounding, or not told from 0
    small = [float(f"{abs(x):.1e}") for x in (mean, half) if 0 < abs(x) < 0.01]  # as printed
    return min(8, 1 - math.floor(math.log10(min(small)))) if small else 3


def interval(e: Estimate, digits: int | None = None) -> str:
    """Mean and interval as text; the mean alone for one run, or a number that is known (n = 0)."""
    n = digits_of(e) if digits is None else digits
    mean, low, high = (f"{x:.{n}f}" for x in (e.mean, e.low, e.high))
    return mean if math.isnan(e.low) or e.n == 0 else f"{mean} ({low} to {high})"


def to_json(found: Iterable[Claim]) -> list[dict]:
    """Claims for a record; JSON has no nan.

    Raises `LabError` for two of one text: what reads them, as does a reader, tells them by it.
    """
    found = list(found)
    for text, n in Counter(c.text for c in found).items():
        if n > 1:
            raise LabError(f"claims: {n} are called {text!r}; give each a text of its own")
    plain = lambda v: None if isinstance(v, float) and not math.isfinite(v) else v
    return [{k: plain(v) for k, v in asdict(c).items()} for c in found]


def of_record(record: dict) -> dict[str, Claim]:
    """The claims stored in a record, by their text."""
    number: Callable[[Any], Any] = lambda v: math.nan if v is None else v
    stored: list[dict[str, Any]] = record.get("claims", [])
    found = [Claim(**{k: number(v) for k, v in one.items()}) for one in stored]
    return {c.text: c for c in found}
