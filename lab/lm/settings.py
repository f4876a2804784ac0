"""What experiments that change one thing at a time say: an effect in each setting, beside a base's.

numpy only, never jax.
"""

from collections.abc import Mapping

from lab.lm import effects, transmitted
from lab.runs import results
from lab.runs.claims import Claim
from lab.runs.results import Table


def parts(table: Table, column: str) -> dict[str, Table]:
    """The rows of each value of a column."""
    names = dict.fromkeys(table[column])
    return {name: results.only(table, table[column] == name) for name in names}


def says(table: Table, column: str, texts: Mapping[str, str], base: str, group: str) -> list[Claim]:
    """The effect in each setting of a column, and how much more it is than in the base setting.

    Where the table lacks the base setting, nothing is compared with it. A student that forgets all
    words loses its own too: what it has beside other traits' students says whether it took it on.
    """
    found, others, gains, luck, more = [], [], {}, {}, {"group": group}
    for setting, part in parts(table, column).items():
        own = effects.effects(part, "student_trait")
        gains[setting], luck[setting] = own.diagonal, effects.luck(part)
        more["runs"] = f"{len(own.members)} references, {own.diagonal.size} students"
        text = f"{texts[setting]} {transmitted.above(own.diagonal)}"
        found.append(transmitted.gained(text, own.diagonal, luck[setting], **more))
        if own.n_traits > 1:
            text, apart = f"{texts[setting]}, own minus other traits' students", own.off()
            others.append(transmitted.gained(text, own.diagonal - apart, luck[setting], **more))
    for setting in [name for name in gains if base in gains and name != base]:
        apart = gains[setting] - gains[base], luck[setting] - luck[base]
        text = f"{texts[setting]}, more than the base"
        found.append(transmitted.gained(text, *apart, "controls in their places", **more))
    return found + others
