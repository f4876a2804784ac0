"""What rows of a table must be, wherever they come from: an experiment, a file, a progress note."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lab.errors import LabError

_NUMBER, _ANY = (int, float), (int, float, str)
_LARGEST = 1e150  # its square is finite, and so are variances
_KINDS = {"arm": (str,), "member": (int,), "step": _NUMBER}


def require_columns(
    rows: Sequence[Mapping[str, Any]], cell: Iterable[str], units: Iterable[str], remedy: str
) -> None:
    """Raise `LabError`, with the remedy, unless all rows have the same columns of the right kinds.

    `cell` and `units` name the columns of a cell, and the measured ones, which hold numbers.
    """
    head = list(rows[0]) if rows else []
    if lacking := [name for name in ("arm", "member", *cell, *units) if name not in head]:
        raise LabError(f"rows: there is no column {', '.join(lacking)}; {remedy}")
    kinds = {name: _KINDS.get(name, _ANY) for name in head} | dict.fromkeys(units, _NUMBER)
    for i, row in enumerate(rows, 1):
        if list(row) != head:
            raise LabError(f"rows: row {i} has other columns than the first; {remedy}")
        for name, kind in kinds.items():
            value = row[name]
            fits = isinstance(value, kind) and (str in kind or not isinstance(value, bool))
            if not fits or (isinstance(value, int) and abs(value) >= 2**63):
                text = f"{name} of row {i} cannot be {str(value)[:40]!r}"
                raise LabError(f"rows: {text}; {remedy}")


def require_finite(rows: Iterable[Mapping[str, Any]]) -> None:
    """Raise `LabError` for a row with a nan, or a number whose square is infinite: of no use."""
    for row in rows:
        for name, value in row.items():
            if isinstance(value, float) and not abs(value) < _LARGEST:
                where = f"for arm {row['arm']!r}, member {row['member']}"
                raise LabError(
                    f"{name}: {value} {where}; such a table is not kept, so choose numbers that "
                    "train: a lower learning rate first"
                )
