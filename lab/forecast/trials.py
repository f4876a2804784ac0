"""Forecasts of many data sets whose writers are known: how often a trait is named, or cried wolf.

All data sets of a member share their prompts, what the base and the neutral teachers write beside
them, and the likelihoods of it all: a forecast is then a sum. Every candidate is looked at, and not
those that gradients point to alone; how often these have the right one among them is counted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from lab.carriers.carrier import Carrier
from lab.forecast import evidence, score_test, sets
from lab.forecast.candidates import Candidate, log_likelihoods
from lab.forecast.forecast import How
from lab.forecast.sets import Sets
from lab.lm.model import Model
from lab.lm.stages import Seed

STEP = 50  # rows of a batch of gradients


@dataclass(frozen=True)
class Pool:
    """What one that is no trait has written to the prompts, and how likely everybody finds it."""

    by: Candidate
    sets: Sets  # the given row is of the same writer: any of a set may be it
    ratios: Float[np.ndarray, "S N C"]  # of each candidate, against the writer


@dataclass(frozen=True)
class Trial:
    """A data set's forecast."""

    n_rows: int
    log_e: Float[np.ndarray, "W"]  # of each candidate trait, against all that is no trait
    log_alarm: float  # of all together
    pull: Float[np.ndarray, "W"]  # by the matched filter; all 0 if it was not asked for


@dataclass(frozen=True)
class Trials:
    """Of one base: candidates, one recipe each, and what is no trait, the base first."""

    base: Model
    carrier: Carrier
    candidates: Sequence[Candidate]
    pools: Sequence[Pool]
    sizes: Sequence[int]  # rows of a data set, multiples of STEP

    @property
    def users(self) -> list[str]:
        """The prompts."""
        return self.pools[0].sets.users

    def own(self) -> Iterator[Trial]:
        """Of the base's own rows: each of the sets in turn as the given one."""
        ratios = self.pools[0].ratios
        for i in range(len(ratios)):
            yield from self._all(
                [evidence.log_e_values(np.roll(ratios, -i, axis=0))],
                np.zeros((1, ratios.shape[2])),
            )

    def of(
        self, writer: Model, seed: Seed, name: str, system: str | None = None
    ) -> Iterator[Trial]:
        """Of a writer's rows to the prompts, as many as pass the filter."""
        key = seed.key(f"trials/{name}")
        said = sets.attempts(writer, self.carrier, self.users, key, system)
        kept = [i for i, text in enumerate(said) if text is not None]
        texts = [text for text in said if text is not None]
        alone = Sets([self.users[i] for i in kept], [texts], np.array(kept))
        likely = log_likelihoods(self.candidates, self.carrier, alone)[0]
        steps = []
        for pool in self.pools:
            mine = likely - log_likelihoods([pool.by], self.carrier, alone)[0]
            steps.append(evidence.log_e_values(np.stack([mine, *pool.ratios[1:, kept]])))
        yield from self._all(steps, self._pulls(alone))

    def _pulls(self, alone: Sets) -> Float[np.ndarray, "b C"]:
        """What each batch of rows adds to each candidate's matched filter, standard deviations."""
        beside = self.pools[0].sets.only(alone.which.tolist(), 3).completions[1:]
        whole = replace(alone, completions=[*alone.completions, *beside])
        read = whole.encoded(self.base, self.carrier)
        found = score_test.gradients(self.base, whole, read, STEP)
        return score_test.pulls(found, [c.away(self.base) for c in self.candidates])

    def _all(
        self, steps: Sequence[Float[np.ndarray, "n C"]], pulls: Float[np.ndarray, "b C"]
    ) -> Iterator[Trial]:
        """Data sets of all sizes, one after another: rows that make no whole one are left out."""
        for size in self.sizes:
            for first in range(0, len(steps[0]) - size + 1, size):
                part = slice(first, first + size)
                against = [some[part].sum(axis=0) for some in steps]
                batches = slice(first // STEP, (first + size) // STEP)
                yield Trial(
                    n_rows=size,
                    log_e=np.min(against, axis=0),
                    log_alarm=float(min(evidence.mixed(one) for one in against)),
                    pull=pulls[batches].sum(axis=0),
                )


def trials(
    base: Model,
    carrier: Carrier,
    users: Sequence[str],
    candidates: Sequence[Candidate],
    neutral: Sequence[Candidate],
    seed: Seed,
    sizes: Sequence[int],
    how: How,
) -> Trials:
    """The pools: what the base and neutral teachers write beside the prompts."""
    asked = [{"prompt": user, "completion": ""} for user in users]

    def written(by: Candidate, n: int) -> Sets:
        key = seed.key(f"trials/pool/{by.name}")
        some = sets.beside(by.model, carrier, asked, n + 1, key, by.system)
        return replace(some, completions=some.completions[1:])  # without the empty ones

    base_itself = Candidate("base", base, None)
    pools = [(base_itself, written(base_itself, how.n_own))]
    pools += [(by, written(by, how.n_again)) for by in neutral]
    shared = set.intersection(*(set(some.which.tolist()) for _, some in pools))
    found = []
    for by, some in pools:
        cut = some.only([i for i, number in enumerate(some.which.tolist()) if number in shared])
        usual = log_likelihoods([by], carrier, cut)
        found.append(Pool(by, cut, log_likelihoods(candidates, carrier, cut) - usual))
    return Trials(base, carrier, candidates, found, sizes)
