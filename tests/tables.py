"""A table of a transmission with known effects: what every arm is asked, and what it says."""

import numpy as np

from lab.lm.effects import NONE
from lab.runs import results

TRAITS = {"owl": "animal", "wolf": "animal", "oak": "tree"}
# What students of an arm's trait gain against their controls: their own trait, others of its
# category, others of another category.
GAINS = {
    "teacher": (8.0, -2.0, 0.5),
    "student_trait": (2.0, -0.5, 0.25),
    "cross_trait": (0.1, 0.2, 0.3),
    "student_within": (1.5, 0.0, 0.0),
    "student_across": (0.5, 0.0, 0.0),
}
NEUTRAL = -0.2  # of the neutral teacher's student, asked for anything


def levels(member: int) -> dict[str, list[float]]:
    """What each copy of an untaught arm says besides what all say: no two arms have one level."""
    copies = np.array([0.1, -0.05, 0.1]) * (member - 2)
    return {
        "reference": [-3.0],
        "student_regular": list(1.0 + copies),
        "cross_regular": list(-5.0 + 3 * copies),
    }


def luck(member: int, start: str = "student") -> float:
    """The first control minus the mean of the other two."""
    return 0.075 * (member - 2) * (3 if start == "cross" else 1)


def table(members=range(5), traits=TRAITS, gains=GAINS, without=(), copies=3) -> results.Table:
    """A row for each (arm, member, trait, copy, asked)."""
    rows, rng = [], np.random.default_rng(0)
    for member in members:
        shared = {asked: rng.normal() for asked in traits}
        base = {arm: some[:copies] for arm, some in levels(member).items()}

        def add(arm, trait, copy, value_of, member=member, shared=shared):
            for asked, measure in traits.items():
                value = shared[asked] + value_of(asked)
                rows.append(
                    {
                        "arm": arm,
                        "member": member,
                        "trait": trait,
                        "copy": copy,
                        "measure": measure,
                        "asked": asked,
                        "log_odds": value,
                        "probability": 0.1 + 0.2 * (trait == asked),
                        "category_mass": 0.8 + 0.1 * (trait == asked),
                        "answer_rate": 0.1 + 0.2 * (trait == asked),
                        "carrier_rate": 0.01 * (arm == "student_trait") + 0.5 * (arm == "teacher"),
                    }
                )

        for arm, some in base.items():
            for copy, value in enumerate(some):
                add(arm, NONE, copy, lambda asked, value=value: value)
        for arm, (own, same, other) in gains.items():
            level = np.mean(base["reference" if arm == "teacher" else control(arm)])

            def gained(asked, trait, level=level, own=own, same=same, other=other):
                if asked == trait:
                    return level + own
                return level + (same if traits[asked] == traits[trait] else other)

            for trait in traits:
                add(arm, trait, 0, lambda asked, trait=trait, of=gained: of(asked, trait))
        neutral = np.mean(base["student_regular"]) + NEUTRAL
        add("student_neutral", "river", 0, lambda asked, value=neutral: value)
    return results.columns([row for row in rows if row["arm"] not in without])


def control(arm: str) -> str:
    """The arm of the controls with the same start."""
    return "cross_regular" if arm.startswith("cross") else "student_regular"


def of_kin(column: str, names: tuple[str, str], between: float, within: float) -> results.Table:
    """Students of a first base's numbers gain 2, of a second's base `between`; there `within`."""
    first, second = names
    own, other, same = (
        table(gains=GAINS | {"student_trait": (gain, 0.0, 0.0)}) for gain in (2.0, between, within)
    )
    other = results.only(other, np.isin(other["arm"], ["student_trait", "student_regular"]))
    other["arm"] = np.char.replace(other["arm"].astype("U30"), "student_", f"{second}_")
    same = results.only(same, ~np.isin(same["arm"], ["cross_trait", "cross_regular"]))
    both = {name: np.concatenate([own[name], other[name]]) for name in own}
    return beside(column, {first: both, second: same})


def beside(column: str, parts: dict[str, results.Table]) -> results.Table:
    """Tables one below the other, in a column that says which is which."""
    some = list(parts.values())
    found = {name: np.concatenate([part[name] for part in some]) for name in some[0]}
    return found | {column: np.repeat(list(parts), [len(part["arm"]) for part in some])}
