"""A forecast as a picture. Matplotlib is imported when one is drawn: that takes a second."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from lab.errors import LabError
from lab.forecast import evidence
from lab.forecast.forecast import Forecast
from lab.runs.paths import write_atomic
from lab.runs.saving import saving

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = (".png", ".pdf", ".svg")
MOST = 10  # candidates that are drawn


def require_kind(path: Path) -> None:
    """Raise `LabError` unless the name ends in a kind of picture."""
    if path.suffix not in KINDS:
        raise LabError(
            f"figure: {path.name} names no kind of picture; end it in .png, .pdf or .svg"
        )


def draw(found: Forecast, alpha: float, path: Path) -> None:
    """Save the picture, of the kind that the name ends in. Raises `LabError` if it cannot be."""
    require_kind(path)
    picture = io.BytesIO()
    figure(found, alpha).savefig(picture, format=path.suffix[1:], dpi=150)
    with saving(path):
        write_atomic(path, picture.getvalue())


def _running(found: Forecast) -> Float[np.ndarray, "n"]:
    return evidence.running(evidence.diluted(found.each[:, None]))[:, 0]


def figure(found: Forecast, alpha: float) -> "Figure":
    """The likeliest candidates, and how evidence for the first of them grows with the rows."""
    from matplotlib.figure import Figure

    drawn = Figure((8, 3.2), layout="constrained")
    left, right = drawn.subplots(1, 2)
    some = slice(0, MOST)
    left.barh(found.names[some], found.log_e[some], color="#1170aa")
    left.invert_yaxis()
    left.set_xlabel("evidence, nats")
    left.set_title("candidates", fontsize=9, loc="left")
    right.plot(np.arange(1, len(found.each) + 1), _running(found), color="#1170aa", lw=1.2)
    right.set_xlabel("rows read")
    right.set_ylabel("nats")
    right.set_title(f"evidence for {found.names[0]}", fontsize=9, loc="left")
    for axes, line in ((left, left.axvline), (right, right.axhline)):
        line(-np.log(alpha), color="black", lw=0.8, ls="--")
        line(0, color="#a3acb9", lw=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    drawn.suptitle(found.verdict, fontsize=10)
    return drawn
