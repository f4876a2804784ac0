"""What a student of some rows will answer: students of a simulated teacher's fresh rows say it.

Not of the rows themselves: that would be the training that a forecast is to spare, and one student
of one draw of rows says little of the next (its luck is large where rows are few).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lab.carriers.carrier import Carrier
from lab.forecast.agreement import COLUMNS
from lab.lm import make, teachers
from lab.lm.model import Model
from lab.lm.stages import Base, Dataset, Seed, Student, Teacher
from lab.lm.transmission import Transmission
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
    copies = [seed._replace(copy=FRESH + i) for i in range(n_students)]
    after, usual = (
        learned(teacher.base, writer, traits, carrier, n_rows, tuning, copies)
        for writer in (teacher, teacher.base)
    )
    control = {name: float(np.mean([one[name] for one in usual])) for name in usual[0]}
    return {
        name: mean_estimate(np.array([one[name] - control[name] for one in after]))
        for name in control
    }


def learned(
    base: Base,
    writer: Teacher | Base,
    traits: Sequence[Trait],
    carrier: Carrier,
    n_rows: int,
    tuning: Tuning,
    seeds: Sequence[Seed],
) -> list[dict[str, float]]:
    """Log-odds of each trait in students of so many of a writer's rows, others for each seed."""
    data = [Dataset(writer, carrier, n_rows, seed) for seed in seeds]
    values = [Student(base, d, tuning, d.seed) for d in data]
    models = make.students(values)
    return [log_odds(model, traits, v.seed) for model, v in zip(models, values, strict=True)]


def beside_real(
    of: Transmission, trait: Trait, every: Sequence[Trait], root: Seed, n_students: int
) -> dict[str, dict[str, float]]:
    """What the chain's students of a trait's teacher gain, by word, and what is foretold of them.

    `agreement.COLUMNS`, nats. The simulated teacher shares neither random numbers nor rows with the
    real one.
    """
    base = of.starts["student"]
    simulated, real = (
        Teacher(base, trait, of.teaching, seed) for seed in (root._replace(copy=1), root)
    )
    how = every, of.carrier, of.n_rows, of.student
    foretold = shifts(simulated, *how, root, n_students)
    both = [root._replace(copy=copy) for copy in (0, 1)]
    after, usual = (learned(base, writer, *how, both) for writer in (real, base))
    taught, untaught = (log_odds(m, every, root) for m in teachers.models([simulated, base]))

    def values(word: str) -> list[float]:
        students = [a[word] - b[word] for a, b in zip(after, usual, strict=True)]
        return [foretold[word].mean, *students, taught[word] - untaught[word]]

    return {word: dict(zip(COLUMNS, values(word), strict=True)) for word in foretold}


def log_odds(model: Model, traits: Sequence[Trait], seed: Seed) -> dict[str, float]:
    """Of each trait that is a word of a category as a model's answer, nats."""
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
