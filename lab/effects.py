"""Trait by trait: what students of one trait's teacher answer when asked for each trait.

A table of such an experiment has a row for each (arm, member, trait, asked): `trait` is what the
teacher of the student's data had, "none" for data of the untouched reference; `asked` is the trait
that the row's numbers are about. An effect is always a student's number minus that of the matched
control student of the same member: same start, same recipe, data of the untouched reference.
numpy only, never jax.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lab import stats
from lab.results import Estimate, Table

NONE = "none"
# Students of a teacher with a trait, and their matched controls.
CONTROL = {
    "teacher": "reference",
    "student_trait": "student_regular",
    "cross_trait": "cross_regular",
}


@dataclass(frozen=True)
class Effects:
    """Effect of trait i's data on the answer about trait j, for each member."""

    traits: tuple[str, ...]
    members: tuple[int, ...]
    values: Float[np.ndarray, "E T T"]  # [member, trait, asked]

    @property
    def diagonal(self) -> Float[np.ndarray, "E T"]:
        """Students asked for their own teacher's trait."""
        return np.diagonal(self.values, axis1=1, axis2=2)

    @property
    def others(self) -> Float[np.ndarray, "E T"]:
        """Mean over the students of the other traits, asked for this one."""
        n_traits = len(self.traits)
        total = self.values.sum(axis=1) - self.diagonal
        return total / max(1, n_traits - 1) if n_traits > 1 else np.full_like(total, np.nan)

    @property
    def p_value(self) -> float:
        """Exact permutation test of the diagonal of the mean over members."""
        return stats.diagonal_permutation_test(self.values.mean(axis=0))


def values(table: Table, arm: str, value: str) -> dict[tuple[int, str, str], float]:
    """`value` of an arm by (member, trait, asked)."""
    chosen = np.flatnonzero(table["arm"] == arm)
    return {
        (int(table["member"][i]), str(table["trait"][i]), str(table["asked"][i])): float(
            table[value][i]
        )
        for i in chosen
    }


def effects(table: Table, arm: str, value: str = "log_odds") -> Effects:
    """Every student of `arm` minus its matched control."""
    students, controls = values(table, arm, value), values(table, CONTROL[arm], value)
    traits = tuple(dict.fromkeys(trait for _, trait, _ in students))
    members = tuple(sorted({member for member, _, _ in students}))
    found = [
        [[students[m, t, a] - controls[m, NONE, a] for a in traits] for t in traits]
        for m in members
    ]
    return Effects(traits, members, np.array(found))


def estimate(label: str, numbers: Float[np.ndarray, "E T"]) -> Estimate:
    """Mean over members and traits; members share a reference, so they are the clusters."""
    n_members, n_traits = numbers.shape
    clusters = np.repeat(np.arange(n_members), n_traits)
    return Estimate(label, *stats.clustered_interval(numbers.ravel(), clusters), numbers.size)


def summary(table: Table, record: dict) -> dict[str, list[Estimate]]:
    """What the terminal and the README show, by heading."""
    own = effects(table, "student_trait")
    teacher = effects(table, "teacher")
    cross = effects(table, "cross_trait")
    p = f"permutation p {own.p_value:.2g}"
    odds = [
        estimate("teacher minus reference, its trait", teacher.diagonal),
        estimate(f"student, its teacher's trait ({p})", own.diagonal),
        estimate("student, another teacher's trait", own.others),
        estimate("student of another init, its teacher's trait", cross.diagonal),
    ]
    rates = []
    for arm in ("reference", "student_regular", "student_trait", "cross_regular", "cross_trait"):
        found = values(table, arm, "answer_rate")
        pick = lambda m, t, found=found: found.get((m, t, t), found.get((m, NONE, t), np.nan))
        rates.append(
            estimate(arm, np.array([[pick(m, t) for t in own.traits] for m in own.members]))
        )
    return {"change of log-odds against the matched control (nats)": odds, "answer rate": rates}
