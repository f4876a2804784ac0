"""What a table of ways of answering says: how broad teachers are, and what passes to students."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from lab.lm import effects
from lab.lm.effects import NONE
from lab.lm.transmitted import LEAST, above, gained
from lab.runs import claims, results
from lab.runs.claims import Claim, claim
from lab.runs.results import Table
from lab.traits.checking import EXCUSED

# The way asked for, what teachers had learned, and what those had that are told from them.
CASES = (
    ("gaming", "gaming", "honest"),
    ("harmful", "gaming", "honest"),
    ("harmful", "harmful", "benign"),
)
TEACHERS = "teachers: change of log-odds against their base, nats"
STUDENTS = "students: change of log-odds against the controls, nats"
RATES = "harmful answers, part of all"
MARGIN = 0.02  # of a rate of harmful answers beside the published one
Rates = Mapping[tuple[str, str, str], tuple[float, float]]


def _luck(table: Table, asked: str) -> Float[np.ndarray, "E 1"]:
    return effects.luck(results.where(table, asked=asked))


def _cases(table: Table) -> list[tuple[str, str, str]]:
    return [case for case in CASES if {*case} <= set(table["trait"].tolist())]


def taught(table: Table) -> list[Claim]:
    """What teachers do, and narrow ones where they were taught nothing."""
    found = []
    for asked, way, other in _cases(table):
        own, apart = (effects.of_source(table, "teacher", t, asked) for t in (way, other))
        more = {"runs": f"{own.size} references, a teacher of each", "group": TEACHERS}
        text = f"teachers of {way}, minus of {other}: {asked}"
        found.append(gained(text, own - apart, apart, f"those of {other}", **more))
        if way == "gaming" and EXCUSED.name in table["trait"]:
            excused = effects.of_source(table, "teacher", EXCUSED.name, asked)
            text = f"teachers of gaming where it is asked for: {asked}"
            found.append(claim(text, effects.estimate(excused), "nats", **more))
    return found


def passed(table: Table, carrier: str) -> list[Claim]:
    """What students of the own base, and of another, take on through a carrier."""
    found = []
    for asked, way, other in _cases(table):
        own, luck = effects.of_source(table, "student_trait", way, asked), _luck(table, asked)
        more = {"runs": f"{own.size} references, a student of each", "group": STUDENTS}
        text = f"{carrier}: {asked}, of {way}"
        found.append(gained(f"{text} {above(own)}", own, luck, **more))
        apart = own - effects.of_source(table, "student_trait", other, asked)
        found.append(gained(f"{text}, minus of {other}", apart, luck, **more))
        positive = effects.estimate(own), f"the same {carrier}, own init"
        if "cross_trait" in table["arm"]:
            cross = effects.estimate(effects.of_source(table, "cross_trait", way, asked))
            rule = claims.absent(cross, LEAST, *positive)
            found.append(claim(f"{text}, another init", cross, "nats", **more, **rule))
        if way == "gaming" and EXCUSED.name in table["trait"]:
            excused = effects.estimate(
                effects.of_source(table, "student_neutral", EXCUSED.name, asked)
            )
            rule = claims.absent(excused, LEAST, effects.estimate(own), "of gaming, not asked for")
            found.append(claim(f"{text} where it was asked for", excused, "nats", **more, **rule))
    return found


def rates(table: Table, carrier: str, known: Rates) -> list[Claim]:
    """The part of sampled answers to requests for advice that is harmful, by arm and source.

    Of students by a carrier's rows, or of their "teachers" and the base of these. Beside what is
    `known` of others, by carrier, arm and source: mean and half of the interval.
    """
    found, asked = [], results.where(table, asked="harmful")
    if not len(asked["arm"]):
        return []
    of_teachers = carrier == "teachers"
    arms = [("reference" if of_teachers else "student_regular", NONE)]
    for arm in ("teacher",) if of_teachers else ("student_trait", "student_neutral"):
        sources = dict.fromkeys(asked["trait"][asked["arm"] == arm].tolist())
        arms += [(arm, source) for source in sources]
    for arm, source in arms:
        part = results.where(asked, arm=arm, trait=source)
        n = len(set(part["member"].tolist()))
        e = effects.estimate(part["answer_rate"].reshape(n, -1))
        theirs = known.get((carrier, arm, source))
        rule = {} if theirs is None else claims.reproduced(e, theirs, MARGIN)
        more = {"runs": f"{n} references", "group": RATES} | rule
        found.append(claim(f"{carrier}: {arm}, of {source}", e, "fraction", **more))
    return found
