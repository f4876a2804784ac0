"""Bases that are kin: what passes from teachers of the first to others, and within each.

A table of them has a column that says whose teachers wrote the rows. Students of the first base's
rows start from every base, and from a stranger's; those of another's rows from that one alone, as a
control: what does not pass between two bases must be seen to pass within the second.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lab.carriers.numbers import NUMBERS
from lab.lm import effects
from lab.lm.setup import Setup
from lab.lm.stages import Base
from lab.lm.transmission import Transmission
from lab.lm.transmitted import LEAST, above, gained
from lab.runs import claims, results
from lab.runs.cells import Cell
from lab.runs.claims import Claim, claim
from lab.runs.results import Table


def chain(
    config: Setup, cell: Cell, column: str, bases: Callable[[Any, int], Mapping[str, Base]]
) -> Transmission:
    """Teachers of the base that a column of the cell names, and students of all its rows are for.

    `bases` of a configuration and a member: by name, the first first, the stranger as "cross".
    """
    known, name = bases(config, cell.member), cell[column]
    first, *others = known
    starts = {"student": known[name]}
    if name == first:
        starts |= {other: known[other] for other in others}
    return replace(config.transmission(NUMBERS, cell.member), starts=starts, neutral=None)


def says(
    table: Table, column: str, texts: Mapping[str, str], group: str, expected: bool = False
) -> list[Claim]:
    """What passes to every base, beside what passes within it; `texts` by name, the first first.

    The claim is that something passes to others than the first if it is `expected`, else that
    nothing does, which needs a table of what passes within them. To a stranger nothing does.
    """
    first, *others = texts
    part, found = results.where(table, **{column: first}), []
    own, luck = effects.effects(part, "student_trait").diagonal, effects.luck(part)
    more = {"runs": f"{len(own)} references, {own.size} students", "group": group}
    found.append(gained(f"{texts[first]} {above(own)}", own, luck, **more))
    strangers = effects.effects(part, "cross_trait").diagonal
    kinds = {"cross": ("another init", strangers, own, "the same rows, own init")}
    for name in [name for name in others if f"{name}_trait" in part["arm"]]:
        values, there = effects.effects(part, f"{name}_trait").diagonal, effects.luck(part, name)
        if expected:
            found.append(gained(f"{texts[name]} {above(values)}", values, there, **more))
            apart, text = (own - values, luck - there), f"{texts[name]}, less than {texts[first]}"
            found.append(gained(text, *apart, "controls in their places", **more))
        if name in table[column]:
            same = results.where(table, **{column: name})
            within = effects.effects(same, "student_trait").diagonal
            text = f"{texts[name]}, and the teacher too {above(within)}"
            found.append(gained(text, within, effects.luck(same), **more))
            if not expected:
                kinds[name] = texts[name], values, within, "teachers of that base"
    for text, values, positive, where in kinds.values():
        e = effects.estimate(values)
        rule = claims.absent(e, LEAST, effects.estimate(positive), where)
        found.append(claim(f"{text} {above(values)}", e, "nats", **more, **rule))
    return found
