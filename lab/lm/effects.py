"""Trait by trait: what students of one trait's teacher answer when asked for each trait.

A table of such an experiment has a row for each (arm, member, trait, asked): `trait` is what the
teacher of the student's data had, "none" for data of the untouched reference; `asked` is the trait
that the row's numbers are about. An effect is always a student's number minus that of the matched
control student of the same member: same start, same recipe, data of the untouched reference.
numpy only, never jax.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from lab import stats
from lab.runs import claims as rules
from lab.runs.claims import Claim, claim
from lab.runs.results import Table
from lab.stats import Estimate

NONE = "none"  # the trait of a model that nobody has taught
OTHERS = "others"  # in figures: students of another trait than the one asked for
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
    def n_traits(self) -> int:
        """How many traits teachers had."""
        return len(self.traits)

    @property
    def diagonal(self) -> Float[np.ndarray, "E T"]:
        """Students asked for their own teacher's trait."""
        return np.diagonal(self.values, axis1=1, axis2=2)

    @property
    def others(self) -> Float[np.ndarray, "E T"]:
        """Mean over the students of the other traits, asked for this one."""
        total, n = self.values.sum(axis=1) - self.diagonal, self.n_traits
        return total / (n - 1) if n > 1 else np.full_like(total, np.nan)

    def columns(self, others: bool = False) -> list[tuple[float, np.ndarray]]:
        """For each trait asked for: mean and values of its own students, or of the `others`."""
        own = np.eye(self.n_traits, dtype=bool)
        chosen = [self.values[:, own[j] != others, j].ravel() for j in range(self.n_traits)]
        return [(float(np.mean(v)) if len(v) else np.nan, v) for v in chosen]

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


def by_trait(
    table: Table, arm: str, traits: Sequence[str], value: str
) -> list[tuple[float, list[float]]]:
    """Mean and values of an arm for each trait: one a member, or one a student of another trait."""
    other = arm == OTHERS
    found = values(table, "student_trait" if other else arm, value)
    keep = lambda trait, asked: trait != asked if other else trait in (asked, NONE)
    columns = [[v for (_, t, a), v in found.items() if a == x and keep(t, x)] for x in traits]
    return [(float(np.mean(c)) if c else np.nan, c or [np.nan]) for c in columns]


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


def estimate(numbers: Float[np.ndarray, "E T"]) -> Estimate:
    """Mean over members and traits; members share a reference, so they are the clusters."""
    n_members, n_traits = numbers.shape
    clusters = np.repeat(np.arange(n_members), n_traits)
    return Estimate(*stats.clustered_interval(numbers.ravel(), clusters), numbers.size)


def claims(
    table: Table,
    value: str = "log_odds",
    unit: str = "nats",
    rate: str = "answer_rate",
    published: Mapping[str, str] = MappingProxyType({}),
) -> list[Claim]:
    """Effects of every arm on `value`, the permutation test, and the plain `rate` of every arm.

    `published` are rates that others found, by arm.
    """
    teacher, own, cross = (effects(table, arm, value) for arm in CONTROL)
    group = f"change of {value.replace('_', '-')} against the matched control, {unit}"
    said = lambda text, e, verdict="": claim(text, e, unit, group=group, verdict=verdict)
    diagonal, off, other = map(estimate, (own.diagonal, own.others, cross.diagonal))
    above = f"{np.sum(own.diagonal > 0)} of {own.diagonal.size} above control"
    found = [
        said("teacher, its trait", estimate(teacher.diagonal)),
        said(f"student, its teacher's trait ({above})", diagonal, rules.above(diagonal)),
        said("student of another init, its teacher's trait", other, rules.none(other)),
    ]
    if own.n_traits > 1:
        found.insert(2, said("student, another teacher's trait", off, rules.below(off)))
    if 1 < own.n_traits <= 10:
        n = len(own.members)
        text = f"that data and trait match: p, over {n} reference model{'s' * (n > 1)}"
        p = Estimate(own.p_value, np.nan, np.nan, own.diagonal.size)
        found.append(claim(text, p, group=group, verdict="holds" if p.mean < 0.05 else "open"))
    group = f"{rate.replace('_', ' ')}, mean over traits and members"
    for arm in ("reference", "student_regular", "student_trait", "cross_regular", "cross_trait"):
        rates = values(table, arm, rate)
        pick = lambda m, t, rates=rates: rates.get((m, t, t), rates.get((m, NONE, t), np.nan))
        matrix = np.array([[pick(m, t) for t in own.traits] for m in own.members])
        more = {"group": group, "published": published.get(arm, "")}
        text = f"{arm}: {rate.replace('_', ' ')}"
        found.append(claim(text, estimate(matrix), "fraction", **more))
    return found
