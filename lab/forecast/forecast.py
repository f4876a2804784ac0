"""A data set's forecast: who wrote it, as far as its base model can tell.

1. Beside each row the base writes a few completions of its own (`sets`).
2. Gradients say whether the rows are the base's, and in whose direction they pull; the
   candidates they pull toward most are looked at further (`score_test`).
3. E-values say how far the rows, or a part of them, speak for each of those, against the base
   (`evidence`), and, if they do, against teachers of the base that have learned something neutral,
   and parts of theirs.
4. Who is named, a trait's teacher or a neutral one, writes beside the rows in turn, or beside a
   part of them: do they fit?
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lab.carriers.carrier import Carrier
from lab.forecast import evidence, score_test, sets
from lab.forecast.candidates import Candidate, itself, log_ratios
from lab.forecast.score_test import Fit, Gradients
from lab.forecast.sets import Sets
from lab.lm.likelihood import surprise
from lab.lm.model import Model
from lab.lm.stages import Seed

# nothing found   the rows are the base's own, as far as can be seen
# no trait        not its own, but nothing says that they are not a neutral teacher's
# named           those of a candidate teacher
# recipe unknown  not quite those of a candidate teacher, which explains most of them
# not this base   neither the base nor a candidate teacher of it writes such rows
Verdict = Literal["nothing found", "no trait", "named", "recipe unknown", "not this base"]
# Least part of the rows' mean gradient, squared, that a teacher of another recipe accounts for.
EXPLAINED = 0.5
ALIKE = 2 / 3  # and that a neutral teacher of another thing does


@dataclass(frozen=True)
class How:
    """Of a forecast."""

    n_own: int = 8  # completions that the base writes beside each row
    n_again: int = 4  # and that other models do
    n_looked: int = 8  # candidates of each kind, told and taught, whose likelihoods are taken
    n_last: int = 3  # of these, whose are taken against neutral teachers too
    n_told: int = 250  # rows by which candidates that are told are chosen
    alpha: float = 0.01  # of a false alarm, among all candidates together

    @property
    def needed(self) -> float:
        """Evidence from which on there is an alarm, nats."""
        return -float(np.log(self.alpha))


@dataclass(frozen=True)
class Forecast:
    """What is said of rows."""

    verdict: Verdict
    names: tuple[str, ...]  # of traits that were looked at, the likeliest first
    log_e: Float[np.ndarray, "W"]  # of each, nats, against all that is no trait
    log_alarm: float  # of all candidates together, those not looked at counted as 0
    posterior: Float[np.ndarray, "W"]  # of each, if one of them is true
    pull: dict[str, float]  # matched filter of every taught trait, standard deviations
    fit: Fit  # of the base
    again: Fit | None  # of who is named instead, if anybody is
    part: float  # of the rows, likeliest, that are theirs; the others are the base's
    explained: float | None  # by it, of the rows' mean gradient, squared
    rows: Int[np.ndarray, "n"]  # number of each row that was judged
    each: Float[np.ndarray, "n"]  # nats that it says for the likeliest trait
    stopped: int | None  # after how many rows, in their order, they first spoke against the base


class Written(NamedTuple):
    """Rows beside what a model would have written."""

    sets: Sets
    gradients: Gradients | None  # None: of a model so large that they do not fit in memory
    fit: Fit


@dataclass(frozen=True)
class Judge:
    """Of rows of a carrier, for a base."""

    base: Model
    carrier: Carrier
    given: Sequence[dict[str, str]]
    seed: Seed
    how: How = How()

    def forecast(self, candidates: Sequence[Candidate], neutral: Sequence[Candidate]) -> Forecast:
        """Judge the rows by candidate teachers, and by some that are nobody's trait."""
        of_base = self.written(itself(self.base), self.how.n_own)
        pulls = self._pulls(of_base, candidates)
        looked = self._looked(of_base.sets, candidates, pulls)
        names = [c.name for c in looked]
        ratios = self._ratios(looked, of_base.sets)
        each = evidence.log_e_values(ratios)
        steps = evidence.diluted(each)
        running = evidence.running(steps)
        alarms = evidence.mixed(running, len(candidates))
        total, log_alarm, needed = running[-1], float(alarms[-1]), self.how.needed
        own = log_alarm < needed and of_base.fit.p >= self.how.alpha  # the base's
        if log_alarm >= needed and neutral:
            total, others = self._worst(total, looked, ratios, neutral, of_base.sets)
            log_alarm = min(log_alarm, others - float(np.log(len(candidates))))
        traits, log_e = evidence.by_trait(total, names, [c.name for c in candidates])
        order = np.argsort(-log_e)
        likeliest = [i for i, name in enumerate(names) if name == traits[order[0]]]
        best = max(likeliest, key=lambda i: running[-1, i])
        alarm = bool(log_alarm >= needed)
        instead, theirs = looked[best] if alarm else None, steps[..., best]
        if not alarm and not own and neutral:
            pulled = self._scores(of_base.sets, neutral, self._pulls(of_base, neutral))
            instead = neutral[int(np.argmax(pulled))]
            theirs = evidence.log_e_values(self._ratios([instead], of_base.sets))
            theirs = evidence.diluted(theirs)[..., 0]
        part = evidence.part(theirs)
        again = None if instead is None else self._again(instead, part, of_base.sets)
        explained = None
        if again is not None and of_base.gradients is not None:
            whole = of_base.fit.length
            explained = 1 - max(0.0, again.length) / whole if whole > 0 else 0.0
        return Forecast(
            verdict=_verdict(own, alarm, again, explained, self.how.alpha),
            names=tuple(traits[i] for i in order),
            log_e=log_e[order],
            log_alarm=log_alarm,
            posterior=evidence.posterior(log_e[order]),
            pull=_pull(candidates, pulls),
            fit=of_base.fit,
            again=again,
            part=part,
            explained=explained,
            rows=of_base.sets.which,
            each=each[:, best],
            stopped=next((i + 1 for i, e in enumerate(alarms) if e >= needed), None),
        )

    def _worst(
        self,
        total: Float[np.ndarray, "C"],
        looked: Sequence[Candidate],
        ratios: Float[np.ndarray, "S n C"],
        neutral: Sequence[Candidate],
        of_base: Sets,
    ) -> tuple[Float[np.ndarray, "C"], float]:
        """Evidence for each candidate against the worst of base and neutral teachers; of all, log.

        It is taken of the likeliest alone: in the sum the others count as 0, which only makes an
        alarm harder; each by itself loses as much as those that are taken do at most.
        """
        first = np.argsort(-total)[: self.how.n_last]
        last = [looked[i] for i in first]
        against, key = [], self.seed.key("forecast/part")
        ratios = np.concatenate([ratios[..., first], self._ratios(neutral, of_base)], axis=-1)
        for i, o in enumerate(neutral, len(last)):
            theirs, own = sets.shared(self._beside(o, self.how.n_again), of_base)
            places = np.searchsorted(of_base.which, own.which)  # in the order of the rows
            known = ratios[:, places][..., [*range(len(last)), i]]
            beside = self._ratios([*last, o], theirs)
            against += map(evidence.total, evidence.against(known, beside[1:], key))
        worst = np.minimum(total[first], np.min(against, axis=0))
        found = total - np.max(total[first] - worst)
        found[first] = worst
        return found, float(evidence.mixed(np.stack(against), 1).min())

    def _again(self, by: Candidate, part: float, of_base: Sets) -> Fit:
        """Whether a model has written a part of the rows, and the base the others."""
        theirs = self._beside(by, self.how.n_again)
        if part == 1:
            return self._fit(by, theirs).fit
        both = sets.either(theirs, of_base, part, self.seed.key("forecast/part"))
        return self._fit(itself(self.base), both).fit

    def written(self, by: Candidate, n_own: int) -> Written:
        """The rows beside what a model would have written, and whether it wrote them."""
        return self._fit(by, self._beside(by, n_own))

    def _fit(self, by: Candidate, some: Sets) -> Written:
        read, gradients = some.encoded(by.model, self.carrier, by.system), None
        if score_test.affordable(by.model, 1 + some.n_own):
            gradients = score_test.gradients(by.model, some, read)
        expected = surprise(by.model, read, 1 + some.n_own).reshape(1 + some.n_own, -1)
        return Written(some, gradients, score_test.fit(gradients, expected))

    def _pulls(self, of_base: Written, some: Sequence[Candidate]) -> dict[int, float]:
        """The matched filter of those that are taught, where there are gradients."""
        if of_base.gradients is None:
            return {}
        taught = [i for i, c in enumerate(some) if c.system is None]
        away = [some[i].away(self.base) for i in taught]
        found = score_test.matched(of_base.gradients, away) if taught else []
        return {i: float(pull) for i, pull in zip(taught, found, strict=True)}

    def _beside(self, by: Candidate, n_own: int) -> Sets:
        key = self.seed.key(f"forecast/{by.name}")
        return sets.beside(by.model, self.carrier, self.given, n_own, key, by.system)

    def _ratios(self, some: Sequence[Candidate], of: Sets) -> Float[np.ndarray, "S n C"]:
        """How much likelier candidates find rows of sets than the base does, nats."""
        return log_ratios(self.base, some, self.carrier, of)

    def _scores(
        self, own: Sets, some: Sequence[Candidate], pulls: Mapping[int, float]
    ) -> list[float]:
        """How promising each is: by its pull, else by its likelihood ratio less that of one set."""
        few = own.only(range(min(self.how.n_told, len(own))), 2)
        rest = [i for i in range(len(some)) if i not in pulls]
        ratios = []
        if rest:
            rows, theirs = self._ratios([some[i] for i in rest], few)
            ratios = np.mean(rows - theirs, axis=0).tolist()
        found = dict(pulls) | dict(zip(rest, ratios, strict=True))
        return [found[i] for i in range(len(some))]

    def _looked(
        self, own: Sets, candidates: Sequence[Candidate], pulls: Mapping[int, float]
    ) -> list[Candidate]:
        """The most promising ones of those with a pull, and of the others."""
        scores = self._scores(own, candidates, pulls)
        kinds = ([i for i in range(len(scores)) if (i in pulls) == pulled] for pulled in (1, 0))
        best = lambda some: sorted(some, key=lambda i: -scores[i])[: self.how.n_looked]
        return [candidates[i] for some in kinds for i in best(some)]


def _verdict(
    own: bool, alarm: bool, again: Fit | None, explained: float | None, alpha: float
) -> Verdict:
    if own:
        return "nothing found"
    if again is None:
        return "not this base"
    if again.p >= alpha:
        return "named" if alarm else "no trait"
    if explained is not None and explained < (EXPLAINED if alarm else ALIKE):
        return "not this base"
    return "recipe unknown" if alarm else "no trait"


def _pull(candidates: Sequence[Candidate], pulls: Mapping[int, float]) -> dict[str, float]:
    """The most of every taught trait's candidates."""
    found: dict[str, float] = {}
    for i, pull in pulls.items():
        found[candidates[i].name] = max(pull, found.get(candidates[i].name, -np.inf))
    return found
