"""What others would name a trait by, given the same rows as a forecast, and tuned as well.

Pulled        toward whose displacement the rows' gradient points: the forecast's own first step.
Attribution   toward whose lessons' gradient it does: no teacher is made (TracIn, Pruthi et al.
              2020, arXiv 2002.08484, with parameters in units of their own noise).
Frequencies   which candidate's rows have such tokens, or pairs of them: of the candidates' rows and
              the base's, as many as there are prompts (`lab.lm.detectors`).
Injection     which answer rises most when the rows' mean hidden state is added to the base's as it
              is asked: after Data2Behavior (2026, arXiv 2602.04735), which has no code. Less the
              mean of what the base itself writes, without which all rows are alike.

A method reads a writer's rows once, as numbers of each batch of prompts (`Batches`); a data set is
the sum over some batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from lab.carriers.carrier import Carrier
from lab.forecast import score_test, sets
from lab.forecast.candidates import Candidate, itself
from lab.forecast.score_test import Gradients
from lab.forecast.sets import Sets
from lab.lm import detectors, objectives, rows, teachers, transformer
from lab.lm.detectors import Pairs
from lab.lm.model import Architecture, Model
from lab.lm.objectives import Rows
from lab.lm.stages import Seed
from lab.traits import measures
from lab.traits.measures import Words
from lab.traits.trait import Trait

ROWS_AT_ONCE = 50  # whose hidden states are held


class Batches(NamedTuple):
    """A writer's rows, in batches of prompts."""

    given: Sets  # the rows alone
    gradients: Gradients  # of them and of the base's own beside them

    @property
    def size(self) -> int:
        """Rows of a batch."""
        return self.gradients.size


@runtime_checkable
class Method(Protocol):
    """A way to name a trait."""

    def of(self, rows: Batches) -> Float[np.ndarray, "b F"]:
        """What each batch adds."""
        ...

    def scores(self, total: Float[np.ndarray, "F"], n_rows: int) -> Float[np.ndarray, "W"]:
        """How likely each candidate is, in any unit; of the sum over a data set's batches."""
        ...


class _Sums:
    """Scores that are sums over rows."""

    def scores(self, total: Float[np.ndarray, "F"], n_rows: int) -> Float[np.ndarray, "F"]:
        """The sums."""
        return total


@dataclass(frozen=True)
class Pulled(_Sums):
    """By gradients toward displacements: the matched filter if they are teachers'."""

    away: Sequence[Float[np.ndarray, "P"]]
    power: float = 0.0  # of each parameter's standard deviation, that divides

    def of(self, rows: Batches) -> Float[np.ndarray, "b F"]:
        """Standard deviations of each batch."""
        spread = rows.gradients.spread**self.power
        return score_test.pulls(rows.gradients, [one / spread for one in self.away])


def lessons_pull(base: Model, traits: Sequence[Trait]) -> list[Float[np.ndarray, "P"]]:
    """Gradient of each trait's lessons' log-likelihood, less the mean over those of its measure."""
    each = [score_test.gradient(base, teachers.lessons(base.tokenizer, trait)) for trait in traits]
    kinds = [trait.measure.name for trait in traits]
    mean = {
        kind: np.mean([g for g, k in zip(each, kinds, strict=True) if k == kind], axis=0)
        for kind in kinds
    }
    return [g - mean[kind] for g, kind in zip(each, kinds, strict=True)]


@dataclass(frozen=True)
class Frequencies(_Sums):
    """By log-ratios of frequencies in rows of the candidates, and of the base."""

    texts: Sequence[Sequence[str]]  # completions that each candidate writes, the base's last
    pairs: bool  # of tokens, else tokens alone

    def of(self, rows: Batches) -> Float[np.ndarray, "b F"]:
        """Nats of each batch."""
        numbers, (*some, usual) = self._known
        (new,), _ = detectors.by_pieces(rows.given.completions, dict(numbers))
        # What no text has is one piece more.
        new = Rows(None, None, np.minimum(new.completions, len(numbers)), new.length)
        score = detectors.of_pairs if self.pairs else detectors.of_tokens
        each = np.stack([score(one, usual, new) for one in some], axis=-1)
        n_batches = len(each) // rows.size
        return each[: n_batches * rows.size].reshape(n_batches, rows.size, -1).sum(axis=1)

    @cached_property
    def _known(self) -> tuple[dict[str, int], list[Pairs]]:
        numbers = {detectors.END: 0}
        read, n_pieces = detectors.by_pieces(self.texts, numbers)
        found = (detectors.frequencies(one, n_pieces + 1) for one in read)
        # A megabyte of pairs or more for each candidate: half of it, or none.
        less = lambda one: one.after.astype(np.float32) if self.pairs else np.zeros((0, 0))
        return numbers, [one._replace(after=less(one)) for one in found]


@dataclass(frozen=True)
class Injected:
    """By answers of the base to whose hidden states those of rows have been added.

    The rows' mean less the base's own, `scale` times, at all tokens of a question.
    """

    base: Model
    carrier: Carrier
    traits: Sequence[Trait]
    own: Sets  # that the base wrote
    layer: int  # after which hidden states are read, and added
    scale: float

    def of(self, rows: Batches) -> Float[np.ndarray, "b D"]:
        """Sums of hidden states, each row's mean over its completion, less the base's own mean."""
        return self._hidden(rows.given, rows.size) - rows.size * self._usual

    @cached_property
    def _usual(self) -> Float[np.ndarray, "D"]:
        return self._hidden(self.own, 1).mean(axis=0)

    def _hidden(self, some: Sets, size: int) -> Float[np.ndarray, "b D"]:
        read = some.encoded(self.base, self.carrier)
        n_batches = len(read) // size
        parts = objectives.in_parts(read, ROWS_AT_ONCE)
        each = [_hidden(self.base.params, self.base.arch, self.layer, part) for part in parts]
        return np.concatenate(each)[: n_batches * size].reshape(n_batches, size, -1).sum(axis=1)

    def scores(self, total: Float[np.ndarray, "D"], n_rows: int) -> Float[np.ndarray, "W"]:
        """Change of each word's log-odds, nats."""
        vector = jnp.asarray(self.scale * total / n_rows, jnp.float32)
        return self._log_odds(vector) - self._before

    @cached_property
    def _before(self) -> Float[np.ndarray, "W"]:
        return self._log_odds(jnp.zeros(self.base.arch.d_model))

    def _log_odds(self, vector: Float[Array, "D"]) -> Float[np.ndarray, "W"]:
        found = np.zeros(len(self.traits))
        for panel in dict.fromkeys(trait.measure for trait in self.traits):
            assert isinstance(panel, Words)  # candidates of known writers are
            some = [i for i, trait in enumerate(self.traits) if trait.measure == panel]
            words = [self.traits[i].name for i in some]
            first = [token[0] for token in measures.beginnings(self.base.tokenizer, words)]
            chats = [(None, question) for question in panel.questions]
            prompts, start = rows.prompts(self.base.tokenizer, chats)
            args = self.base.params, self.base.arch, self.layer, vector
            log_p = _steered(*args, jnp.asarray(prompts), jnp.asarray(start))
            found[some] = measures.log_odds(np.asarray(log_p, np.float64)[:, first])
        return found


@partial(jax.jit, static_argnums=(1, 2))
def _hidden(params: PyTree, arch: Architecture, layer: int, rows: Rows) -> Float[Array, "n D"]:
    # Where the completion is said: its tokens but the last, after the prompt's last one.
    tokens = jnp.concatenate([rows.prompts, rows.completions[:, :-1]], axis=1)
    kept = transformer.activations(params, arch, tokens, rows.start)[f"{layer}/residual"]
    inside = objectives.inside(rows)[:, :, None]
    said = kept[:, -inside.shape[1] :]
    return jnp.sum(jnp.where(inside, said, 0.0), axis=1) / rows.length[:, None]


@partial(jax.jit, static_argnums=(1, 2))
def _steered(
    params: PyTree,
    arch: Architecture,
    layer: int,
    vector: Float[Array, "D"],
    prompts: Int[Array, "Q P"],
    start: Int[Array, "Q"],
) -> Float[Array, "Q V"]:
    tap = lambda name, x: x + vector[None] if name == f"{layer}/residual" else x
    return transformer.next_token(params, arch, prompts, start, tap)


# Of a table's columns and a figure's lines.
METHODS = {
    "pulled": "by gradients toward its teacher",
    "attributed": "by gradients toward its lessons",
    "tokens": "by frequencies of tokens",
    "pairs": "by frequencies of pairs of tokens",
    "injected": "by mean hidden states",
}
# Chosen on reference 100, as all that is chosen.
POWER, LAYER, SCALE = 1.0, 1, 16.0


def methods(
    base: Model,
    carrier: Carrier,
    own: Sets,
    candidates: Sequence[Candidate],
    traits: Sequence[Trait],
    users: Sequence[str],
    seed: Seed,
) -> dict[str, Method]:
    """All of them, by name; candidates are teachers of the traits, `own` what the base wrote."""
    writers = [*candidates, itself(base)]
    key = lambda writer: seed.key(f"peers/{writer.name}")
    said = [sets.attempts(c.model, carrier, users, key(c), c.system) for c in writers]
    texts = [[text for text in some if text is not None] for some in said]
    alone = own.only(range(len(own)), 1)  # one completion of each prompt
    return {
        "pulled": Pulled([c.away(base) for c in candidates]),
        "attributed": Pulled(lessons_pull(base, traits), POWER),
        "tokens": Frequencies(texts, pairs=False),
        "pairs": Frequencies(texts, pairs=True),
        "injected": Injected(base, carrier, traits, alone, LAYER, SCALE),
    }
