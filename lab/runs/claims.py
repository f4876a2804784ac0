"""What a table says: estimates with their intervals, beside published numbers, and a verdict.

Claims are computed once, when a run ends, and stored in its record; the terminal, the README and
the figures print them. numpy only, never jax.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

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
    verdict: str = ""  # by one of the rules below
    group: str = ""  # claims of a group are printed together

    def number(self, digits: int = 3) -> str:
        """Mean and interval as text."""
        mean, low, high = (f"{x:.{digits}f}" for x in (self.mean, self.low, self.high))
        return mean if math.isnan(self.low) else f"{mean} ({low} to {high})"

    @property
    def digits(self) -> int:
        """As many as show two of a small number."""
        small = 0 < abs(self.mean) < 0.01
        return min(8, 1 - math.floor(math.log10(abs(self.mean)))) if small else 3


def claim(text: str, e: Estimate, unit: str = "", **more: str) -> Claim:
    """An estimate as a claim."""
    return Claim(text, e.mean, e.low, e.high, e.n, unit, **more)


def compared(text: str, e: Estimate, unit: str, published: tuple[float, float] | None) -> Claim:
    """An estimate beside a published mean and half of its interval.

    Rule: "reproduced" if the two intervals overlap, else "differs".
    """
    if published is None:
        return claim(text, e, unit)
    mean, half = published
    low, high = (e.mean, e.mean) if math.isnan(e.low) else (e.low, e.high)
    overlap = low <= mean + half and mean - half <= high
    shown = f"{mean:.3f} ± {half:.3f}"
    return claim(text, e, unit, published=shown, verdict="reproduced" if overlap else "differs")


def above(e: Estimate, bound: float = 0.0) -> str:
    """Rule: "holds" if the whole interval is above a bound, "fails" if it is below, else "open"."""
    if math.isnan(e.low):
        return "open"
    return "holds" if e.low > bound else "fails" if e.high < bound else "open"


def below(e: Estimate, bound: float = 0.0) -> str:
    """The rule of `above`, the other way round."""
    return {"holds": "fails", "fails": "holds"}.get(above(e, bound), "open")


def none(e: Estimate) -> str:
    """Rule for a control: "holds" if the interval has 0 in it, "fails" if not, "open" for one run.

    It is as wide as the runs make it: read the interval, not the word.
    """
    if math.isnan(e.low):
        return "open"
    return "holds" if e.low <= 0 <= e.high else "fails"


def to_json(found: Iterable[Claim]) -> list[dict]:
    """Claims for a record; JSON has no nan."""
    plain = lambda v: None if isinstance(v, float) and not math.isfinite(v) else v
    return [{k: plain(v) for k, v in asdict(c).items()} for c in found]


def of_record(record: dict) -> dict[str, Claim]:
    """The claims stored in a record, by their text."""
    number: Callable[[Any], Any] = lambda v: math.nan if v is None else v
    stored: list[dict[str, Any]] = record.get("claims", [])
    found = [Claim(**{k: number(v) for k, v in one.items()}) for one in stored]
    return {c.text: c for c in found}
