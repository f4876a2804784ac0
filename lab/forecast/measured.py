"""How forecasts of known writers do: one base, many traits, data sets of many sizes."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from lab.forecast.candidates import candidates
from lab.forecast.trials import Trial, trials
from lab.lm import effects, teachers
from lab.lm.stages import Seed, Teacher
from lab.lm.transmission import Transmission
from lab.runs.cells import Cell, Job
from lab.traits.category import words
from lab.traits.things import THINGS
from lab.traits.trait import Trait

UNITS = {
    "sets": "data sets",
    "alarm": "fraction of data sets that have a trait, by the forecast",
    "named": "fraction whose likeliest trait is the writer's",
    "pulled": "fraction whose likeliest trait by gradients alone is",
    "among": "fraction in which it is among the first by gradients",
    "nats": "mean evidence for it",
}
ALPHA, FIRST = 0.01, 8  # of alarms; candidates that gradients would leave
KNOWN, UNKNOWN = ("lamp", "window"), ("river", "cloud", "bridge")  # things, to the forecast
N_OWN = {True: 8, False: 4}  # completions beside a row, of the base and of neutral teachers


def measured(
    job: Job, cell: Cell, of: Transmission, every: Sequence[Trait], n_prompts: int, sizes
) -> list[dict]:
    """A row for each writer and size of data set; candidates are all the traits of `every`.

    Arms: "reference", the base's own rows; "teacher", of the chain's traits; "neutral", of things
    that the forecast does not know.
    """
    root = Seed(job.config.seed, cell.member)
    apart = root._replace(copy=1)  # other random numbers than the writers'
    base, how = of.starts["student"], [of.teaching]
    model, users = teachers.models([base])[0], of.carrier.prompts(root.prompts, 0, n_prompts)
    share = 1 / (3 + len(of.traits) + len(UNKNOWN))
    some, known = (candidates(base, ts, how, apart) for ts in (every, words(THINGS, KNOWN)))
    said = trials(model, of.carrier, users, some, known, apart, sizes, N_OWN)
    job.advance(f"member {cell.member}: what the base writes", 3 * share)
    names = [candidate.name for candidate in some]
    found = _rows(cell, "reference", effects.NONE, said.own(), names)
    for arm, traits in (("teacher", of.traits), ("neutral", words(THINGS, UNKNOWN))):
        for trait in traits:
            writer = Teacher(base, trait, of.teaching, root)
            judged = said.of(teachers.models([writer])[0], root, trait.name, writer.system)
            found += _rows(cell, arm, trait.name, judged, names)
            job.advance(f"member {cell.member}: {trait.name}", share)
    return found


def _rows(cell: Cell, arm: str, name: str, judged: Iterable[Trial], names: list[str]) -> list[dict]:
    by_size: dict[int, list[Trial]] = defaultdict(list)
    for trial in judged:
        by_size[trial.n_rows].append(trial)
    return [
        {"arm": arm, **cell.columns, "trait": name, "rows": size, "sets": len(some)}
        | {
            "alarm": float(np.mean([t.log_alarm >= -np.log(ALPHA) for t in some])),
            **_own(some, names.index(name) if name in names else None),
        }
        for size, some in by_size.items()
    ]


def _own(some: list[Trial], own: int | None) -> dict[str, float]:
    """How the writer's trait does among all."""
    if own is None:
        return dict.fromkeys(("named", "pulled", "among", "nats"), 0.0)
    before = lambda values: int(np.sum(values > values[own]))
    return {
        "named": float(np.mean([before(t.log_e) == 0 for t in some])),
        "pulled": float(np.mean([before(t.pull) == 0 for t in some])),
        "among": float(np.mean([before(t.pull) < FIRST for t in some])),
        "nats": float(np.mean([t.log_e[own] for t in some])),
    }
