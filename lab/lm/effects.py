"""Trait by trait: what students of one trait's teacher answer when asked for each trait.

A table of such an experiment has a row for each (arm, member, trait, copy, asked): `trait` is what
the teacher of the student's data had, "none" for data of the untouched reference, of which there
are several students, copies; `asked` is the trait that the row's numbers are about, and `measure`
the questions, which a category shares. An effect is always a student's number minus the mean of the
control students of the same member: same start, same recipe, data of the untouched reference.
numpy only, never jax.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float

from lab import stats
from lab.runs.results import Table
from lab.stats import Estimate

NONE = "none"  # the trait of a model that nobody has taught
OTHERS = "others"  # in figures: students of another trait than the one asked for
FEWEST = 5  # references of a result; fewer are a demonstration
# References of this and larger numbers are for choosing sizes, rates and worlds, and are never
# reported; all others are never used for a choice.
TUNED = 100


def control(arm: str) -> str:
    """The matched control of an arm: the same start on the untouched reference's data."""
    return "reference" if arm == "teacher" else arm.partition("_")[0] + "_regular"


@dataclass(frozen=True)
class Effects:
    """Effect of trait i's data on the answer about trait j, for each member."""

    traits: tuple[str, ...]
    measures: tuple[str, ...]  # of each trait: its category
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

    def off(self, same: bool | None = None) -> Float[np.ndarray, "E T"]:
        """Mean over the students of other traits, asked for this one; nan without such.

        Of traits of the same category, of other categories, or of all others (None).
        """
        names = np.array(self.measures)
        chosen = ~np.eye(self.n_traits, dtype=bool)
        if same is not None:
            chosen &= (names[:, None] == names[None]) == same
        n = chosen.sum(axis=0)
        total = np.sum(np.where(chosen[None], self.values, 0.0), axis=1)
        return np.where(n > 0, total / np.maximum(n, 1), np.nan)

    @property
    def centred(self) -> Float[np.ndarray, "E T"]:
        """The diagonal after each category's table has lost its row and column means.

        A student that moves all words, and a word that all students move, are then 0.
        """
        names, found = np.array(self.measures), np.zeros_like(self.diagonal)
        for name in dict.fromkeys(self.measures):
            own = np.flatnonzero(names == name)
            v = self.values[:, own[:, None], own[None]]
            rows, columns = v.mean(axis=2, keepdims=True), v.mean(axis=1, keepdims=True)
            rest = v - rows - columns + v.mean(axis=(1, 2), keepdims=True)
            found[:, own] = np.diagonal(rest, axis1=1, axis2=2)
        return found

    def p_value(self, member: int | None = None) -> float:
        """Permutation test of the diagonals of all members, or of one member's.

        Traits are exchanged within their category and member alone: students of trees say nothing
        of animals, and references are independent. It tests that data and trait match, not that
        students are above their control.
        """
        chosen = [i for i, m in enumerate(self.members) if member in (None, m)]
        blocks = scipy.linalg.block_diag(*self.values[chosen])
        return stats.diagonal_permutation_test(blocks, self._exchanged(chosen))

    @property
    def n_matchings(self) -> int:
        """Of all members: a p-value is no less than one of so many."""
        return stats.n_matchings(self._exchanged(range(len(self.members))))

    def _exchanged(self, members: Iterable[int]) -> list[str]:
        """The group in which each trait of these members is exchanged."""
        return [f"{i} {name}" for i in members for name in self.measures]


def _cells(table: Table, arm: str, value: str) -> dict[tuple[int, str, str], list[float]]:
    # All copies of an arm by (member, trait, asked).
    found: dict[tuple[int, str, str], list[float]] = {}
    for i in np.flatnonzero(table["arm"] == arm):
        place = int(table["member"][i]), str(table["trait"][i]), str(table["asked"][i])
        found.setdefault(place, []).append(float(table[value][i]))
    return found


def values(table: Table, arm: str, value: str) -> dict[tuple[int, str, str], float]:
    """`value` of an arm by (member, trait, asked); the mean over copies."""
    return {place: float(np.mean(v)) for place, v in _cells(table, arm, value).items()}


def by_trait(
    table: Table, arm: str, traits: Sequence[str], value: str
) -> list[tuple[float, list[float]]]:
    """Mean and values of an arm for each trait: one a student."""
    other = arm == OTHERS
    found = _cells(table, "student_trait" if other else arm, value)
    keep = lambda trait, asked: trait != asked if other else trait in (asked, NONE)
    columns = [[v for (_, t, a), vs in found.items() if a == x and keep(t, x) for v in vs]
               for x in traits]  # fmt: skip
    return [(float(np.mean(c)) if c else np.nan, c or [np.nan]) for c in columns]


def effects(table: Table, arm: str, value: str = "log_odds") -> Effects:
    """Every student of `arm` minus the mean of its control students."""
    students, controls = values(table, arm, value), values(table, control(arm), value)
    measure = {str(a): str(m) for a, m in zip(table["asked"], table["measure"], strict=True)}
    traits = tuple(trait for trait in dict.fromkeys(t for _, t, _ in students) if trait in measure)
    members = tuple(sorted({member for member, _, _ in students}))
    found = _array(students, members, traits) - _array(controls, members, traits)
    return Effects(traits, tuple(measure[t] for t in traits), members, found)


def own(table: Table, arm: str, value: str = "log_odds") -> Float[np.ndarray, "E T"]:
    """`value` of an arm's models asked for their own trait, by member and trait."""
    found = values(table, arm, value)
    members = sorted({member for member, _, _ in found})
    traits = dict.fromkeys(trait for _, trait, _ in found)
    return np.array([[found[m, t, t] for t in traits] for m in members])


def pairs(table: Table, arm: str, value: str, traits: Sequence[str]) -> Float[np.ndarray, "E S T"]:
    """`value` of an arm by member, source and trait asked for; the sources are traits, or none."""
    found = values(table, arm, value)
    return _array(found, sorted({member for member, _, _ in found}), traits)


def _array(
    found: dict[tuple[int, str, str], float], members: Sequence[int], traits: Sequence[str]
) -> Float[np.ndarray, "E S T"]:
    taught = {source for _, source, _ in found}
    sources = [source for source in (NONE, *traits) if source in taught]
    return np.array([[[found[m, s, a] for a in traits] for s in sources] for m in members])


def of_source(
    table: Table, arm: str, source: str, asked: str, value: str = "log_odds"
) -> Float[np.ndarray, "E 1"]:
    """Effects of the students, or teachers, of one source, asked for one trait; empty if none."""
    students, controls = values(table, arm, value), values(table, control(arm), value)
    members = sorted({member for member, taught, _ in students if taught == source})
    found = [students[m, source, asked] - controls[m, NONE, asked] for m in members]
    return np.array(found).reshape(-1, 1)


def of_one(table: Table, arm: str, value: str = "log_odds") -> Float[np.ndarray, "E T"]:
    """Effects of an arm with one student a member, whose source is no trait that is asked for."""
    students, controls = values(table, arm, value), values(table, control(arm), value)
    members = sorted({member for member, _, _ in students})
    asked = dict.fromkeys(a for _, _, a in students)
    one = {(m, a): v for (m, _, a), v in students.items()}
    return np.array([[one[m, a] - controls[m, NONE, a] for a in asked] for m in members])


def luck(table: Table, start: str = "student", value: str = "log_odds") -> Float[np.ndarray, "E T"]:
    """A control student in a student's place: the table's first one minus the mean of the others.

    nan for a member with a single control. Its spread is what a student moves by luck alone.
    """
    found = _cells(table, f"{start}_regular", value)
    members = sorted({member for member, _, _ in found})
    asked = dict.fromkeys(a for _, _, a in found)
    apart = lambda v: v[0] - np.mean(v[1:]) if len(v) > 1 else np.nan
    return np.array([[apart(found[m, NONE, a]) for a in asked] for m in members])


def estimate(numbers: Float[np.ndarray, "E T"]) -> Estimate:
    """Mean over members and traits; members share a reference, so they are the clusters."""
    n_members, n_traits = numbers.shape
    clusters = np.repeat(np.arange(n_members), n_traits)
    return Estimate(*stats.clustered_interval(numbers.ravel(), clusters), numbers.size)


def kept(some: Float[np.ndarray, "E T"], whole: Float[np.ndarray, "E T"]) -> Estimate:
    """Part of an effect that is left of a whole one, over members: a ratio of means."""
    return stats.ratio_estimate(some.mean(axis=1), whole.mean(axis=1))
