"""Forecasts of many data sets whose writers are known: how often a trait is named, or cried wolf.

All data sets of a member share their prompts, what the base and the neutral teachers write beside
them, and the likelihoods of it all: a forecast is then a sum. Every candidate is looked at, and not
those that gradients point to alone; how often these have the right one among them is counted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from lab.carriers.carrier import Carrier
from lab.forecast import evidence, score_test, sets
from lab.forecast.candidates import Candidate, log_likelihoods
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
        given = [{"prompt": self.users[i], "completion": said[i] or ""} for i in kept]
        steps = []
        alone = Sets([row["prompt"] for row in given], [[row["completion"] for row in given]],
                     np.array(kept))  # fmt: skip
        likely = log_likelihoods(self.candidates, self.carrier, alone)[0]
        for pool in self.pools:
            mine = likely - log_likelihoods([pool.by], self.carrier, alone)[0]
            steps.append(evidence.log_e_values(np.stack([mine, *pool.ratios[1:, kept]])))
        yield from self._all(steps, self._pulls(given, kept))

    def _pulls(self, given: Sequence[dict[str, str]], kept: list[int]) -> Float[np.ndarray, "b C"]:
        """What each batch of rows adds to each candidate's matched filter, standard deviations."""
        own = self.pools[0].sets
        beside = [[some[i] for i in kept] for some in own.completions[1:3]]
        whole = Sets([row["prompt"] for row in given],
                     [[row["completion"] for row in given], *beside], np.array(kept))  # fmt: skip
        read = whole.encoded(self.base, self.carrier)
        found = score_test.gradients(self.base, whole, read, STEP)
        each = score_test.along(found, [c.away(self.base) for c in self.candidates])
        spread = np.sqrt(np.mean(each[1:] ** 2, axis=(0, 1)))
        return each[0] / np.where(spread > 0, spread, 1.0)  # 0 of those that are only told

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
    n_own: Mapping[bool, int],
) -> Trials:
    """The pools: of the base (True) and of neutral teachers so many completions beside a prompt."""
    pools, asked = [], [{"prompt": user, "completion": ""} for user in users]
    for by in (Candidate("base", base, None), *neutral):
        n = n_own[by.name == "base"]
        key = seed.key(f"trials/pool/{by.name}")
        some = sets.beside(by.model, carrier, asked, n + 1, key, by.system)
        some = replace(some, completions=some.completions[1:])  # its own in place of the empty ones
        pools.append((by, some))
    shared = set.intersection(*(set(some.which.tolist()) for _, some in pools))
    found = []
    for by, some in pools:
        places = [i for i, number in enumerate(some.which.tolist()) if number in shared]
        cut = Sets([some.users[i] for i in places],
                   [[one[i] for i in places] for one in some.completions],
                   some.which[places])  # fmt: skip
        usual = log_likelihoods([by], carrier, cut)
        found.append(Pool(by, cut, log_likelihoods(candidates, carrier, cut) - usual))
    return Trials(base, carrier, candidates, found, sizes)
