"""How well a forecast orders words, as rank correlations with what students did. numpy only."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from lab import stats
from lab.runs import results
from lab.runs.results import Table

# Changes of log-odds: of a simulated teacher's students, of two of the real one's, of the former.
COLUMNS = ("forecast", "student", "second", "teacher")
# (a trait's rows, another one's) -> what is compared, by word.
Pair = Callable[[Table, Table], tuple[Float[np.ndarray, "W"], Float[np.ndarray, "W"]]]


def of_students(rows: Table) -> Float[np.ndarray, "*n"]:
    """What the real teacher's students gain, in the mean."""
    return (rows["student"] + rows["second"]) / 2


PAIRS: dict[str, Pair] = {
    "the forecast": lambda of, _: (of["forecast"], of_students(of)),
    "another trait's forecast": lambda of, other: (other["forecast"], of_students(of)),
    "the teacher's own answers": lambda of, _: (of["teacher"], of_students(of)),
    "a student and another one": lambda of, _: (of["student"], of["second"]),
}


def correlations(table: Table, pair: Pair) -> Float[np.ndarray, "E T"]:
    """Rank correlation over words, of every member and trait; the other trait is the next one."""
    names: Sequence[list] = [list(dict.fromkeys(table[x].tolist())) for x in ("member", "trait")]
    members, traits = names
    part = lambda m, t: results.where(table, member=m, trait=t)
    beside = list(zip(traits, (*traits[1:], traits[0]), strict=True))
    each = lambda m: [stats.spearman(*pair(part(m, t), part(m, other))) for t, other in beside]
    return np.array([each(m) for m in members])
