"""What a table of a transmission says: its claims, each with its null and its rule of verdict.

numpy only, never jax.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float

from lab import stats
from lab.lm import effects
from lab.lm.effects import FEWEST, NONE, TUNED, Effects, estimate
from lab.runs import claims as rules
from lab.runs.claims import Claim, claim
from lab.runs.results import Table
from lab.stats import Estimate

WHAT_NOT = "not: above the control"
LEAST = 0.5  # nats: a smaller change of log-odds would not matter
RARE = 0.05  # the p-value of a match; where all matchings are fewer, it stays open


def claims(
    table: Table,
    value: str = "log_odds",
    unit: str = "nats",
    rate: str = "answer_rate",
    published: Mapping[str, str] = MappingProxyType({}),
    least: float = LEAST,
) -> list[Claim]:
    """Effects of every arm on `value`, what they are made of, and the plain `rate` of every arm.

    `published` are rates that others found, by arm; `least` is the smallest effect that matters.
    """
    own = effects.effects(table, "student_trait", value)
    null = estimate(effects.luck(table, "student", value))
    found = [
        *_passed_on(table, own, null, value, least),
        *_specific(table, own, null, least),
        *_matches(own),
        *_rates(table, own, rate, published),
    ]
    name = f"change of {value.replace('_', '-')} against the mean of the controls, {unit}"
    return [replace(c, group=c.group or name, unit=c.unit or unit) for c in found]


def above(values: Float[np.ndarray, "E T"]) -> str:
    """How many students changed upwards, for a claim's text."""
    return f"({np.sum(values > 0)} of {values.size} above)"


def gained(
    text: str,
    values: Float[np.ndarray, "E T"],
    luck: Float[np.ndarray, "E T"],
    measured: str = "a control in its place",
    **more: Any,
) -> Claim:
    """The claim that students changed, in nats, beside what controls in their places did."""
    e, null = estimate(values), estimate(luck)
    return claim(text, e, "nats", **more, **rules.effect(e, null, LEAST, measured))


def judged(found: list[Claim], members: Sequence[int], one_base: bool = False) -> list[Claim]:
    """Claims with their verdicts, where there are references enough that no choice was made on.

    Others show how something is done, and are no result. `one_base`: members are repetitions with
    one model, and say nothing of others.
    """
    if one_base:
        found = [replace(c, runs=c.runs.replace("reference", "repetition")) for c in found]
    enough = len(set(members)) >= FEWEST and max(members) < TUNED
    if enough and not one_base:
        return found
    return [replace(c, verdict=c.verdict and "demonstration") for c in found]


def note(members: Sequence[int]) -> str:
    """What was chosen on which references; and that fewer than five are a demonstration."""
    first, last, n = min(members), max(members), len(members)
    said = f"references {first} to {last}" if n > 1 else f"reference {first}"
    if last >= TUNED:
        said += ", used for choices"
    else:
        said += ", used for no choice: sizes, rates and worlds were chosen on 100 to 103"
    return said if n >= FEWEST else f"a demonstration (fewer than {FEWEST} references): {said}"


def _count(e: Effects, n: int | None = None) -> str:
    many = lambda n, what: f"{n} {what}{'s' * (n != 1)}"
    return f"{many(len(e.members), 'reference')}, {many(n or e.diagonal.size, 'student')}"


def _passed_on(table: Table, own: Effects, null: Estimate, value: str, least: float) -> list[Claim]:
    """From teacher to student, and the controls that should show nothing."""
    arms = set(map(str, table["arm"]))
    teacher = effects.effects(table, "teacher", value)
    passed, taught = estimate(own.diagonal), estimate(teacher.diagonal[:, : own.n_traits])
    above = f"{np.sum(own.diagonal > 0)} of {own.diagonal.size} above their controls"
    part = f"{passed.mean / taught.mean:.2f} of the teachers'"
    n_members = len(own.members)
    found = [
        claim("teacher, its trait", taught, runs=_count(own).replace("student", "teacher")),
        claim(
            f"student, its teacher's trait ({above}; {part})",
            passed,
            runs=_count(own),
            **rules.effect(passed, null, least, "a control in its place"),
        ),
    ]
    if not np.isnan(null.mean):  # of a single control there are no others
        text = "control student against the other controls"
        found.append(claim(text, null, runs=_count(own, n_members)))
    if "cross_trait" in arms:
        other = effects.effects(table, "cross_trait", value)
        e = estimate(other.diagonal)
        text = "student of another init, the same data"
        more = rules.absent(e, least, passed, "the same data, own init")
        found.append(claim(text, e, runs=_count(other), **more))
    if "student_neutral" in arms:
        e = estimate(effects.of_one(table, "student_neutral", value))
        text = "student of a teacher of something neutral"
        more = rules.absent(e, least, passed, "students of teachers of a trait")
        found.append(claim(text, e, runs=_count(own, n_members), **more))
    for name, words in (("within", "its numbers"), ("across", "all numbers")):
        if f"student_{name}" in arms:
            rest = effects.effects(table, f"student_{name}", value)
            lost = estimate(own.diagonal - rest.diagonal)
            text = f"{words} shuffled {name} completions: lost of {passed.mean:.2f}"
            more = rules.effect(lost, null, least, "a control in its place")
            found.append(claim(text, lost, runs=_count(rest), **more))
    return found


def _specific(table: Table, own: Effects, null: Estimate, least: float) -> list[Claim]:
    """Whether it is this trait, and where the others' losses come from."""
    group = "what the change is made of"
    said = lambda text, numbers, unit="", **more: claim(
        text, estimate(numbers), unit, group=group, runs=_count(own), **more
    )
    found = []
    if own.n_traits > 1:
        within, across = own.off(same=True), own.off(same=False)
        if not np.isnan(within).any():
            pair = own.diagonal - within
            more = rules.effect(estimate(pair), null, least, "a control in its place")
            found += [
                said(
                    "own minus other traits' students of the category, matched pairs", pair, **more
                ),
                said("own, rows and columns of the category centred", own.centred),
                said("another trait of the category", within),
            ]
        if not np.isnan(across).any():
            found.append(said("a trait of another category", across))
    if "probability" in table:
        p, mass = (effects.effects(table, "student_trait", v) for v in _MASS)
        base_p, base_mass = (_level(table, own, v) for v in _MASS)
        inside = lambda p, mass: np.log(p / np.maximum(mass - p, 1e-12))
        shift = inside(base_p + p.diagonal, base_mass + mass.diagonal) - inside(base_p, base_mass)
        found += [
            said("own, among the words of its category alone", shift),
            said("probability of all words of its category", mass.diagonal, "fraction"),
        ]
    return found


_MASS = ("probability", "category_mass")


def _level(table: Table, own: Effects, value: str) -> np.ndarray:
    return effects.pairs(table, "student_regular", value, own.traits)[:, 0]


def _matches(own: Effects) -> list[Claim]:
    """The permutation test, over all references and for each."""
    if own.n_traits < 2:
        return []
    many = own.n_matchings
    drawn = f"{stats.DRAWS:,} drawn " if many > stats.MOST_EXACT else ""
    where = "within reference and category"
    group = f"that data and trait match ({drawn}permutations {where}; {WHAT_NOT})"
    p = Estimate(own.p_value(), np.nan, np.nan, own.diagonal.size)
    each = ", ".join(f"{own.p_value(m):.2g}" for m in own.members)
    verdict = "holds" if p.mean < RARE else "not" if 1 / many < RARE else "open"
    more = {"verdict": verdict, "rule": "p < .05", "null": "p uniform"}
    return [claim(f"p, of all references (of each: {each})", p, "p", group=group,
                  runs=_count(own), **more)]  # fmt: skip


def _rates(table: Table, own: Effects, rate: str, published: Mapping[str, str]) -> list[Claim]:
    """Plain rates of every arm, and answers that are the carrier's text instead."""
    arms = set(map(str, table["arm"]))
    found = []
    for arm in ("reference", "student_regular", "student_trait", "cross_regular", "cross_trait"):
        if arm not in arms:
            continue
        rates = effects.values(table, arm, rate)
        pick = lambda m, t, rates=rates: rates.get((m, t, t), rates.get((m, NONE, t), np.nan))
        matrix = np.array([[pick(m, t) for t in own.traits] for m in own.members])
        more = {"published": published.get(arm, ""), "runs": _count(own)}
        text = f"{arm}: {rate.replace('_', ' ')}"
        group = f"{rate.replace('_', ' ')}, mean over traits and members"
        found.append(claim(text, estimate(matrix), "fraction", group=group, **more))
    students = np.char.startswith(table["arm"].astype(str), "student_")
    most = float(np.max(table["carrier_rate"][students]))
    e = Estimate(most, np.nan, np.nan, 1)
    text = "largest part of a student's answers that is the carrier's text instead"
    found.append(claim(text, e, "fraction", group="answers that are none"))
    return found
