"""Rows of tokens as one array."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int32

from lab.errors import LabError


def padded(
    rows: Sequence[Sequence[int]], pad: int, most: int, what: str, left: bool
) -> tuple[Int32[np.ndarray, "B W"], Int32[np.ndarray, "B"]]:
    """Rows of at most W tokens, filled up on one side, and their lengths.

    Raises `LabError`, which says `what` they are, for a longer one.
    """
    lengths = np.array([len(row) for row in rows], np.int32)
    if len(rows) and lengths.max() > most:
        i = int(np.argmax(lengths > most))
        raise LabError(
            f"{what} longer than the context: number {i} has {lengths[i]} tokens, "
            f"there is room for {most}; shorten it or make room"
        )
    tokens = np.full((len(rows), most), pad, np.int32)
    for i, row in enumerate(rows):
        at = most - len(row) if left else 0
        tokens[i, at : at + len(row)] = row
    return tokens, lengths
