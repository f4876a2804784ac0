"""What a table of drift says: where students end beside each null, and what each layer brings.

A table has a row for each (arm, member, step, part), of language students for each trait too; an
estimate is over members, of the mean of a member's rows at the end of training. numpy only, never
jax.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from lab import stats
from lab.runs import claims, results
from lab.runs.claims import Claim
from lab.runs.results import Table

ALL = "all"  # the part that is the whole
# What a column is, its unit, and by how much it must be above (below) a null's. Chosen before any
# table was made: .05 of a cosine is 25 spreads of a random direction's in 250,000 parameters.
COLUMNS = {
    "cosine": ("displacements, student's and teacher's", "cosine", 0.05),
    "projection": ("part of the teacher's way", "of 1", 0.05),
    "distance": ("distance to the teacher", "of its way", -0.05),
    "fisher": ("Fisher-weighted distance to the teacher", "of the reference's", -0.05),
    "cka": ("activations, mean over layers", "CKA with the teacher's", 0.05),
    "overlap_right": ("leading output directions, mean over matrices", "overlap", 0.05),
}
CARRIED = 0.1  # of the student's own gain


def parts(table: Table) -> list[str]:
    """The layers of a table, without the whole and without attention heads."""
    found = map(str, dict.fromkeys(table["part"]))
    return [part for part in found if part != ALL and ".head." not in part and ".kv." not in part]


def by_member(table: Table, arm: str, part: str, column: str) -> Table:
    """A row for each step and member of an arm: the mean of `column` over its rows there."""
    own = results.only(table, (table["arm"] == arm) & (table["part"] == part))
    places, index = np.unique(np.stack([own["step"], own["member"]]), axis=1, return_inverse=True)
    means = np.bincount(index, own[column]) / np.bincount(index)
    return {"arm": np.full(len(means), arm), "step": places[0], "member": places[1], column: means}


def at_end(table: Table, arm: str, part: str, column: str) -> dict[int, float]:
    """`column` of each member of an arm at its last step: the mean of its rows there."""
    return results.last(by_member(table, arm, part, column), arm, column)


def gain(table: Table, arm: str, part: str, column: str) -> Float[np.ndarray, "E"]:
    """`column` with the displacement of a part, above the reference's, member by member."""
    base = at_end(table, "reference", part, column)
    return np.array([value - base[m] for m, value in at_end(table, arm, part, column).items()])


def moved(
    table: Table, student: str, nulls: Mapping[str, str], label: str = "", **more: str
) -> list[Claim]:
    """Where students end, against every null: arms by what they are; all but cosines is detail."""
    found = []
    for column, (text, unit, least) in COLUMNS.items():
        estimate = lambda arm, column=column: stats.mean_estimate(
            np.array(list(at_end(table, arm, ALL, column).values()))
        )
        for arm, measured in nulls.items():
            e, null = estimate(student), estimate(arm)
            rule = claims.effect(e, null, least, measured)
            told = f"{label}{text}, against {measured}"
            detail = column != "cosine"
            found.append(claims.claim(told, e, unit, detail=detail, **rule, **more))
    return found


def carried(
    table: Table, student: str, null: str, measured: str, column: str, label: str = "", **more: str
) -> list[Claim]:
    """What each layer's displacement alone gains in a column, of what the student's whole does."""
    full, found = gain(table, student, ALL, column), []
    for layer in parts(table):
        e, base = (
            stats.ratio_estimate(gain(table, arm, layer, column), full) for arm in (student, null)
        )
        rule = claims.effect(e, base, CARRIED, measured)
        text = f"{label}gain with {layer}'s displacement alone"
        found.append(claims.claim(text, e, "of the student's", **rule, **more))
    return found
