"""What a student of some rows will answer: students of a simulated teacher's fresh rows say it.

Not of the rows themselves: that would be the training that a forecast is to spare, and one student
of one draw of rows says little of the next (its luck is large where rows are few).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lab.carriers.carrier import Carrier
from lab.lm import make
from lab.lm.stages import Base, Dataset, Seed, Student, Teacher
from lab.lm.tuning import Tuning
from lab.stats import Estimate, mean_estimate
from lab.traits.measures import Words
from lab.traits.trait import Asked, Trait

FRESH = 2**18  # copies of the seed from here on are those of simulated students
N_STUDENTS = 5  # and as many controls


def shifts(
    teacher: Teacher,
    traits: Sequence[Trait],
    carrier: Carrier,
    n_rows: int,
    tuning: Tuning,
    seed: Seed,
    n_students: int = N_STUDENTS,
) -> dict[str, Estimate]:
    """Change of each trait's log-odds in students of so many rows, against controls, nats.

    Controls learn from as many rows of the base. The interval is over students, each of other rows
    in another order. Traits that are no words of a category are left out.
    """
    base: Base = teacher.base

    def trained(writer: Teacher | Base) -> list[dict[str, float]]:
        copies = [seed._replace(copy=FRESH + i) for i in range(n_students)]
        data = [Dataset(writer, carrier, n_rows, copy) for copy in copies]
        values = [Student(base, d, tuning, d.seed) for d in data]
        models = make.students(values)
        return [_log_odds(model, traits, v.seed) for model, v in zip(models, values, strict=True)]

    after, usual = trained(teacher), trained(base)
    control = {name: float(np.mean([one[name] for one in usual])) for name in usual[0]}
    return {
        name: mean_estimate(np.array([one[name] - control[name] for one in after]))
        for name in control
    }


def _log_odds(model, traits: Sequence[Trait], seed: Seed) -> dict[str, float]:
    found = {}
    for panel in dict.fromkeys(t.measure for t in traits):
        if isinstance(panel, Words):
            some = [t for t in traits if t.measure == panel]
            asked = Asked(model, None, 1, seed.key("forecast/answers"), lambda answer: False)
            found |= {row["asked"]: row["log_odds"] for row in panel.rows(asked, some)}
    return found


def recipe(tuning: Tuning, n_rows: int) -> Tuning:
    """A recipe that fits so many rows: no batch of more than there are."""
    return replace(tuning, batch=min(tuning.batch, n_rows))
