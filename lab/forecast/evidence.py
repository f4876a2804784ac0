"""How far rows speak for each of many candidate teachers: e-values that one may stop at.

A row's e-value for a candidate is its likelihood ratio, candidate to the model that wrote the set
beside it, over the mean of its set with itself among them. If the row is that model's own, the
mean over the set is 1 by exchange, whatever the filter keeps: the product over rows reaches 1 / a
at any time with a probability of at most a (Ville), and so does every weighted mean of products.
Such a mean is taken over PARTS: where only a part of the rows is a teacher's, the others speak
against it, and the product falls; that of 1 - part + part e rises.

What is no trait is not the base alone: teachers of something neutral write rows that a part of many
a trait's would explain better than the base does. So rows must also speak against neutral teachers,
and against a part of theirs among the base's (`against`).

Source: e-processes, Ramdas et al. (2023, arXiv 2210.01948); sets in place of a normalising
constant, which would have to be known exactly: an error of it grows with the rows.
"""

from collections import Counter
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.special import logsumexp

PARTS = (1.0, 0.3, 0.1)  # of the rows that may be a teacher's, the rest the base's
# Of those that may be a neutral teacher's; against a tenth of theirs nothing is ever seen, neither
# what has a trait nor what has none.
NULL_PARTS = (1.0, 0.3)


def log_e_values(ratios: Float[np.ndarray, "S n C"]) -> Float[np.ndarray, "n C"]:
    """Of each row and candidate, nats; of log-likelihood ratios of sets, the given row first."""
    return ratios[0] - logsumexp(ratios, axis=0) + np.log(len(ratios))


def mixture(part: float, log_ratio: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Log of 1 - part + part times a ratio."""
    rest = np.log1p(-part) if part < 1 else -np.inf
    return np.logaddexp(rest, np.log(part) + log_ratio)


def diluted(log_e: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "D *n"]:
    """The same for a candidate of whom each of PARTS of the rows is, nats."""
    return np.stack([mixture(part, log_e) for part in PARTS])


def against(
    own: Float[np.ndarray, "S n J"], theirs: Float[np.ndarray, "K n J"], key: Key[Array, ""]
) -> list[Float[np.ndarray, "D n C"]]:
    """Log e-values of candidates' PARTS, against each of NULL_PARTS of a neutral teacher's, nats.

    Of the log-likelihood ratios to the base of candidates, the neutral teacher last: of each given
    row and the base's completions beside it, and of the neutral teacher's. Beside the row stand as
    many as there are of the latter, or half of the base's if these are fewer: each is the neutral
    teacher's by a probability of the part, else the base's. The rest of the base's says how much of
    a model's probability the filter leaves, and is in no set: so exchange holds for what is in one.
    """
    n_set = min(len(theirs), (len(own) - 1) // 2)
    unit = _log_mean(own[1 + n_set :])
    own, theirs, found = own[: 1 + n_set] - unit, theirs[:n_set] - unit, []
    for part in NULL_PARTS:
        chosen = np.asarray(jax.random.bernoulli(key, part, theirs.shape[:2]))
        whole = np.concatenate([own[:1], np.where(chosen[..., None], theirs, own[1:])])
        apart = diluted(whole[..., :-1]) - mixture(part, whole[..., -1:])
        found.append(apart[:, 0] - logsumexp(apart, axis=1) + np.log(1 + n_set))
    return found


def _log_mean(log_values: Float[np.ndarray, "T *n"]) -> Float[np.ndarray, "*n"]:
    return logsumexp(log_values, axis=0) - np.log(len(log_values))


def running(steps: Float[np.ndarray, "D n C"]) -> Float[np.ndarray, "n C"]:
    """Evidence for each candidate after each row, whatever part of the rows is theirs, nats."""
    return _log_mean(np.cumsum(steps, axis=1))


def total(steps: Float[np.ndarray, "D n C"]) -> Float[np.ndarray, "C"]:
    """The same after the last row."""
    return _log_mean(steps.sum(axis=1))


def part(steps: Float[np.ndarray, "D n"]) -> float:
    """The likeliest of PARTS."""
    return PARTS[int(np.argmax(steps.sum(axis=1)))]


def by_trait(
    log_e: Float[np.ndarray, "*n C"], names: Sequence[str], every: Sequence[str] | None = None
) -> tuple[list[str], Float[np.ndarray, "*n W"]]:
    """The mean over candidates of one name, as of several recipes for one trait: names, nats.

    Of `every` candidate's name, if others were not looked at; they count as 0.
    """
    columns: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        columns.setdefault(name, []).append(i)
    n = Counter(every or names)
    found = [mixed(log_e[..., some], n[name]) for name, some in columns.items()]
    return list(columns), np.stack(found, axis=-1)


def mixed(log_e: Float[np.ndarray, "*n C"], n: int | None = None) -> Float[np.ndarray, "*n"]:
    """Log of the mean over candidates, of n where those left out count as 0."""
    return np.asarray(logsumexp(log_e, axis=-1) - np.log(n or log_e.shape[-1]))


def posterior(log_e: Float[np.ndarray, "C"]) -> Float[np.ndarray, "C"]:
    """How likely each is, if one of them is true and all were as likely before."""
    return np.exp(log_e - logsumexp(log_e))
