"""Detectors of one reference's teachers, trained on their data and tried on fresh rows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from lab.lm import detectors, likelihood, make
from lab.lm.effects import NONE
from lab.lm.reference import Reference, obtain
from lab.lm.stages import Dataset, Seed, Student
from lab.lm.transmission import Transmission
from lab.runs.cells import Cell, Job

UNITS = {
    "auroc": "of pools of rows",
    "sensitivity": "d', standard deviations of a row's score",
    "nats": "mean score of the first writer's rows minus the second's, a row",
}
FRESH = 2**19  # copies of the seed from here on are of rows that no student learns from


def everything(prompt: str, completion: str) -> str | None:
    """The filter that keeps all rows."""
    return None


def measured(job: Job, cell: Cell, of: Transmission, n_test: int, pools: Sequence[int]):
    """A row for each trait, kind of data, detector and size of pool."""
    root = Seed(job.config.seed, cell.member)
    obtain([base for base in of.starts.values() if isinstance(base, Reference)])
    found: list[dict] = []
    plain, other = (of.data_of(None, root._replace(copy=copy)) for copy in (0, 1))
    named = {trait.name: of.data_of(trait, root) for trait in of.traits}
    free = replace(of.carrier, reject=everything)
    share = 1 / (2 * len(named) + 1)

    def add(trait: str, kind: str, scores: Mapping[str, tuple]) -> None:
        for arm, (a, b) in scores.items():
            rng = np.random.default_rng([*root, len(found)])
            for size in pools:
                found.append(
                    {"arm": arm, **cell.columns, "trait": trait, "data": kind, "rows": size}
                    | {
                        "auroc": detectors.told_apart(a, b, size, rng),
                        "sensitivity": detectors.sensitivity(a, b),
                        "nats": float(np.mean(a) - np.mean(b)),
                    }
                )

    compare = partial(_scores, of, n_test)
    add(NONE, "untouched", compare(plain, other))
    job.advance(f"member {cell.member}: untouched", share)
    for name, data in named.items():
        add(name, "teacher", compare(data, plain))
        job.advance(f"member {cell.member}: {name}", share)
        every, all_plain = (replace(d, carrier=free) for d in (data, plain))
        add(name, "unfiltered", compare(every, all_plain, models=False))
        job.advance(f"member {cell.member}: {name}, unfiltered", share)
    return found


def _scores(
    of: Transmission, n_test: int, a: Dataset, b: Dataset, models: bool = True
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The scores of fresh rows of two writers, by detector; transformers among them if asked."""
    fresh = [
        replace(data, n_rows=n_test, seed=data.seed._replace(copy=FRESH + i))
        for i, data in enumerate((a, b))
    ]
    texts = [[row["completion"] for row in make.data(data)] for data in (a, b, *fresh)]
    (*seen, one, two), n = detectors.by_pieces(texts)
    of_a, of_b = (detectors.frequencies(some, n) for some in seen)
    found = {
        name: (score(of_a, of_b, one), score(of_a, of_b, two))
        for name, score in (("tokens", detectors.of_tokens), ("pairs", detectors.of_pairs))
    }
    if not models:
        return found
    start = of.starts["cross"]
    readers = make.students(
        [Student(start, data, of.student, data.seed, system=of.system) for data in (a, b)]
    )
    systems = [getattr(data.teacher, "system", of.system) for data in (a, b)]
    writers = [make.model(data.teacher) for data in (a, b)]
    pairs = {
        "transformer": [(model, of.system) for model in readers],
        "writers": list(zip(writers, systems, strict=True)),
    }
    reads = lambda model, system, data: likelihood.log_likelihood(
        model, make.encoded_rows(data, start, system)
    )
    for name, (first, second) in pairs.items():
        ratios = [reads(*first, some) - reads(*second, some) for some in fresh]
        found[name] = ratios[0], ratios[1]
    return found
