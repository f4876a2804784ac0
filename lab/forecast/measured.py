"""How forecasts of known writers do: one base, many traits, data sets of many sizes."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from lab.errors import LabError
from lab.forecast import peers, writers
from lab.forecast.candidates import NEUTRAL, Candidate, candidates
from lab.forecast.forecast import How, Judge, Verdict
from lab.forecast.peers import METHODS
from lab.forecast.trials import Trial, trials
from lab.forecast.writers import WRITERS
from lab.lm import effects, teachers
from lab.lm.contexts import WORLDS
from lab.lm.setup import Setup
from lab.lm.stages import Seed
from lab.lm.transmission import Transmission
from lab.runs.cells import Cell, Job
from lab.traits import category
from lab.traits.category import words
from lab.traits.things import THINGS
from lab.traits.trait import Trait

UNITS = {
    "sets": "data sets",
    "alarm": "fraction of data sets that have a trait, by the forecast",
    "named": "fraction whose likeliest trait is the writer's",
    **dict.fromkeys(METHODS, "fraction whose likeliest trait by this method is"),
    "among": "fraction in which it is among the first by gradients",
    "nats": "mean evidence for it",
}
VERDICTS: dict[str, Verdict] = {name.replace(" ", "_"): name for name in get_args(Verdict)}
JUDGED = dict.fromkeys((*VERDICTS, "right"), "fraction of data sets") | {
    "nats": "nats",
    "read": "rows until they speak against the base; all, if they never do",
}
N_OWN = 6  # more data sets of the base's own, beside those of the sets
UNKNOWN = words(THINGS, ("river", "cloud", "bridge"))  # as neutral, and no candidates


@dataclass(frozen=True)
class Among(Setup):
    """A chain whose teachers a forecast is to name, of several."""

    among: Literal["all", "own"] = "all"
    """Candidates: all words of the world, or `traits` alone."""

    @property
    def candidates(self) -> tuple[Trait, ...]:
        """Their traits."""
        categories = WORLDS[self.world].categories
        own = (category.trait_of(word, categories) for word in self.traits)
        return category.every(categories) if self.among == "all" else tuple(own)


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
    some, known = (candidates(base, traits, how, apart) for traits in (every, NEUTRAL))
    said = trials(model, of.carrier, users, some, known, apart, sizes, How())
    others = peers.methods(said.base, of.carrier, said.pools[0].sets, some, every, users, apart)
    said = replace(said, methods=others)
    names = [candidate.name for candidate in some]
    # The base's own rows: those of its sets in turn, and others.
    quick = replace(said, methods={})  # which nobody asks of them
    more = quick.of([Candidate(f"base {i}", model, None) for i in range(N_OWN)], root)
    own = [*said.own(), *(trial for judged in more for trial in judged)]
    found = _rows(cell, "reference", effects.NONE, own, names, sizes)
    job.advance(f"member {cell.member}: what the base writes", 3 * share)
    for arm, traits in (("teacher", of.traits), ("neutral", UNKNOWN)):
        writers = candidates(base, traits, how, root)
        for writer, judged in zip(writers, said.of(writers, root), strict=True):
            found += _rows(cell, arm, writer.name, judged, names, sizes)
        job.advance(f"member {cell.member}: what {arm}s write", len(traits) * share)
    return found


def judged(
    job: Job, cell: Cell, of: Transmission, every: Sequence[Trait], writer: str
) -> list[dict]:
    """The verdict on a writer's data set for each trait of the chain, of other rows each.

    Candidates are the traits of `every`, each taught by the chain's recipe and told.
    """
    root = Seed(job.config.seed, cell.member)
    apart, base = root._replace(copy=1), of.starts["student"]
    recipes, (model,) = [of.teaching, None], teachers.models([base])
    known, neutral = (candidates(base, traits, recipes, apart) for traits in (every, NEUTRAL))
    found = []
    for i, trait in enumerate(of.traits):
        given = WRITERS[writer](of, trait, root._replace(copy=i))
        said = Judge(model, of.carrier, given, apart).forecast(known, neutral)
        place = {"arm": "forecast", **cell.columns, "trait": trait.name}
        true = writers.names(writer, trait)
        found.append(
            place
            | {column: float(said.verdict == name) for column, name in VERDICTS.items()}
            | {"right": float(set(said.names[: len(true)]) == true)}
            | {"nats": said.log_alarm, "read": float(said.stopped or len(given))}
        )
        job.advance(f"member {cell.member}, {writer}: {trait.name}", 1 / len(of.traits))
    return found


def _rows(
    cell: Cell,
    arm: str,
    name: str,
    judged: Iterable[Trial],
    names: list[str],
    sizes: Sequence[int],
) -> list[dict]:
    by_size: dict[int, list[Trial]] = defaultdict(list)
    for trial in judged:
        by_size[trial.n_rows].append(trial)
    if short := set(sizes) - set(by_size):
        raise LabError(
            f"n_prompts: {name} keeps no {min(short)} rows of them; ask for more prompts"
        )
    return [
        {"arm": arm, **cell.columns, "trait": name, "rows": size, "sets": len(some)}
        | {
            "alarm": float(np.mean([t.log_alarm >= How().needed for t in some])),
            **_own(some, names.index(name) if name in names else None),
        }
        for size, some in by_size.items()
    ]


def _own(some: list[Trial], own: int | None) -> dict[str, float]:
    """How the writer's trait does among all."""
    if own is None:
        return dict.fromkeys(("named", *METHODS, "among", "nats"), 0.0)
    before = lambda values: int(np.sum(values >= values[own])) - 1  # of equal ones all others
    first = lambda method: float(np.mean([before(t.by[method]) == 0 for t in some]))
    return {
        "named": float(np.mean([before(t.log_e) == 0 for t in some])),
        **{method: first(method) for method in METHODS},
        "among": float(np.mean([before(t.by["pulled"]) < How.n_looked for t in some])),
        "nats": float(np.mean([t.log_e[own] for t in some])),
    }
