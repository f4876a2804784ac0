"""Forecasts of many data sets whose writers are known: how often a trait is named, or cried wolf.

All data sets of a member share their prompts, what the base and the neutral teachers write beside
them, and the likelihoods of it all: a forecast is then a sum. Every candidate is looked at, and not
those that gradients point to alone; how often these have the right one among them is counted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Array, Float, Key

from lab.carriers.carrier import Carrier
from lab.forecast import evidence, score_test, sets
from lab.forecast.candidates import Candidate, itself, log_ratios
from lab.forecast.forecast import How
from lab.forecast.peers import Batches, Method
from lab.forecast.sets import Sets
from lab.lm.model import Model
from lab.lm.stages import Seed

STEP = 50  # rows of a batch of gradients
Steps = Float[np.ndarray, "D n C"]  # log e-values of rows, for each of `evidence.PARTS`


@dataclass(frozen=True)
class Pool:
    """What one that is no trait has written to the prompts, and how likely everybody finds it."""

    by: Candidate
    sets: Sets  # the given row is of the same writer: any of a set may be it
    ratios: Float[np.ndarray, "S N C"]  # of candidates, then of neutral teachers, to the base


@dataclass(frozen=True)
class Trial:
    """A data set's forecast."""

    n_rows: int
    log_e: Float[np.ndarray, "W"]  # of each candidate trait, against all that is no trait
    log_alarm: float  # of all together
    by: Mapping[str, Float[np.ndarray, "W"]]  # scores of other methods; none of the base's rows


@dataclass(frozen=True)
class Trials:
    """Of one base: candidates, one recipe each, and what is no trait, the base first."""

    base: Model
    carrier: Carrier
    candidates: Sequence[Candidate]
    pools: Sequence[Pool]
    sizes: Sequence[int]  # rows of a data set, multiples of STEP
    key: Key[Array, ""]  # of which neutral teacher's completions stand beside a row
    methods: Mapping[str, Method] = field(default_factory=dict)  # other ways to name a trait

    @property
    def users(self) -> list[str]:
        """The prompts."""
        return self.pools[0].sets.users

    def own(self) -> Iterator[Trial]:
        """Of the base's own rows: each of the sets in turn as the given one."""
        ratios = self.pools[0].ratios
        for i in range(len(ratios)):
            yield from self._all([self._of_base(np.roll(ratios, -i, axis=0))], {})

    def of(self, writers: Sequence[Candidate], seed: Seed) -> list[list[Trial]]:
        """Of each writer's rows to the prompts, one for each where the filter leaves any."""
        keys = [seed.key(f"trials/{writer.name}") for writer in writers]
        said = [
            sets.kept(writer.model, self.carrier, self.users, 1, key, writer.system)
            for writer, key in zip(writers, keys, strict=True)
        ]
        # All at once, so that each model reads each prompt once; what is filtered is empty.
        texts = [[some[0] if some else "" for some in of_writer] for of_writer in said]
        whole = Sets(self.users, texts, np.arange(len(self.users)))
        given = log_ratios(self.base, self._judges, self.carrier, whole)
        found = []
        for i, some in enumerate(said):
            kept = [place for place, own in enumerate(some) if own]
            steps = self._steps(given[i, kept], kept)
            alone = replace(whole, completions=[texts[i]]).only(kept)
            found.append(list(self._all(steps, self._others(alone))))
        return found

    @property
    def _judges(self) -> list[Candidate]:
        return [*self.candidates, *(pool.by for pool in self.pools[1:])]

    def _of_base(self, ratios: Float[np.ndarray, "S n J"]) -> Steps:
        return evidence.diluted(evidence.log_e_values(ratios[..., : len(self.candidates)]))

    def _steps(self, given: Float[np.ndarray, "n J"], kept: list[int]) -> list[Steps]:
        """Of given rows to some prompts, against all that is no trait, nats."""
        n, base = len(self.candidates), np.stack([given, *self.pools[0].ratios[1:, kept]])
        found = [self._of_base(base)]
        for i, pool in enumerate(self.pools[1:]):
            some = [*range(n), n + i]
            theirs = pool.ratios[1:, kept][..., some]
            found += evidence.against(base[..., some], theirs, self.key)
        return found

    def _others(self, alone: Sets) -> dict[str, Float[np.ndarray, "b F"]]:
        """What each batch of rows adds, by method."""
        if not self.methods:
            return {}
        beside = self.pools[0].sets.only(alone.which.tolist(), 3).completions[1:]
        whole = replace(alone, completions=[*alone.completions, *beside])
        read = whole.encoded(self.base, self.carrier)
        found = Batches(alone, score_test.gradients(self.base, whole, read, STEP))
        return {name: method.of(found) for name, method in self.methods.items()}

    def _all(
        self,
        steps: Sequence[Steps],
        others: Mapping[str, Float[np.ndarray, "b F"]],
    ) -> Iterator[Trial]:
        """Data sets of all sizes, one after another: rows that make no whole one are left out."""
        for size in self.sizes:
            for first in range(0, steps[0].shape[1] - size + 1, size):
                part = slice(first, first + size)
                against = [evidence.total(some[:, part]) for some in steps]
                batches = slice(first // STEP, (first + size) // STEP)
                yield Trial(
                    n_rows=size,
                    log_e=np.min(against, axis=0),
                    log_alarm=float(min(evidence.mixed(one) for one in against)),
                    by={
                        name: self.methods[name].scores(each[batches].sum(axis=0), size)
                        for name, each in others.items()
                    },
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

    pools = [(by := itself(base), written(by, how.n_own))]
    pools += [(by, written(by, how.n_again)) for by in neutral]
    cuts = sets.shared(*(some for _, some in pools))
    whole = replace(cuts[0], completions=[texts for cut in cuts for texts in cut.completions])
    ends = np.cumsum([len(cut.completions) for cut in cuts])[:-1]
    judges = [*candidates, *neutral]
    ratios = np.split(log_ratios(base, judges, carrier, whole), ends)
    found = [Pool(by, cut, of) for (by, _), cut, of in zip(pools, cuts, ratios, strict=True)]
    return Trials(base, carrier, candidates, found, sizes, seed.key("trials/part"))
