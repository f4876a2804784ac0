"""What experiments that change one thing at a time say: an effect in each setting, beside a base's.

numpy only, never jax.
"""

from collections.abc import Mapping

import numpy as np

from lab.lm import effects, transmitted
from lab.lm.effects import Effects
from lab.runs import results
from lab.runs.claims import Claim
from lab.runs.results import Table


def own(table: Table, column: str) -> dict[str, Effects]:
    """Effects of students by the values of a column."""
    parts = {
        name: results.only(table, table[column] == name) for name in dict.fromkeys(table[column])
    }
    return {name: effects.effects(part, "student_trait") for name, part in parts.items()}


def says(table: Table, column: str, texts: Mapping[str, str], base: str, group: str) -> list[Claim]:
    """The effect in each setting of a column, and how much more it is than in the base setting.

    Where the table lacks the base setting, nothing is compared with it. A student that forgets all
    words loses its own too: what it has beside other traits' students says whether it took it on.
    """
    found, others, luck, more = [], [], {}, {"group": group}
    gains = {name: some.diagonal for name, some in own(table, column).items()}
    for setting, some in own(table, column).items():
        luck[setting] = effects.luck(results.only(table, table[column] == setting))
        values = some.diagonal
        more["runs"] = f"{len(values)} references, {values.size} students"
        text = f"{texts[setting]} ({np.sum(values > 0)} of {values.size} above)"
        found.append(transmitted.gained(text, values, luck[setting], **more))
        if some.n_traits > 1:
            text = f"{texts[setting]}, own minus other traits' students"
            others.append(transmitted.gained(text, values - some.off(), luck[setting], **more))
    for setting in [name for name in gains if base in gains and name != base]:
        apart = gains[setting] - gains[base], luck[setting] - luck[base]
        text = f"{texts[setting]}, more than the base"
        found.append(transmitted.gained(text, *apart, "controls in their places", **more))
    return found + others
