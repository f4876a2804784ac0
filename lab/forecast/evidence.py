"""How far rows speak for each of many candidate teachers: e-values that one may stop at.

A row's e-value for a candidate is its likelihood ratio, candidate to the model that wrote the set
beside it, over the mean of its set with itself among them. If the row is that model's own, the
mean over the set is 1 by exchange, whatever the filter keeps: the product over rows reaches 1 / a
at any time with a probability of at most a (Ville), and so does every weighted mean of products.
Such a mean is taken over PARTS: where only a part of the rows is a teacher's, the others speak
against it, and the product falls; that of 1 - part + part e rises.

Source: e-processes, Ramdas et al. (2023, arXiv 2210.01948); sets in place of a normalising
constant, which would have to be known exactly: an error of it grows with the rows.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

PARTS = (1.0, 0.3, 0.1)  # of the rows that may be a teacher's, the rest the other model's


def log_e_values(ratios: Float[np.ndarray, "S n C"]) -> Float[np.ndarray, "n C"]:
    """Of each row and candidate, nats; of log-likelihood ratios of sets, the given row first."""
    return ratios[0] - logsumexp(ratios, axis=0) + np.log(len(ratios))


def diluted(log_e: Float[np.ndarray, "n C"]) -> Float[np.ndarray, "D n C"]:
    """The same for a candidate of whom each of PARTS of the rows is, nats."""
    part = np.array(PARTS)[:, None, None]
    with np.errstate(divide="ignore"):  # where all rows are
        return np.logaddexp(np.log1p(-part), np.log(part) + log_e)


def running(log_e: Float[np.ndarray, "n C"]) -> Float[np.ndarray, "n C"]:
    """Evidence for each candidate after each row, whatever part of the rows is theirs, nats."""
    products = np.cumsum(diluted(log_e), axis=1)
    return logsumexp(products, axis=0) - np.log(len(PARTS))


def part(log_e: Float[np.ndarray, "n"]) -> float:
    """The likeliest of PARTS."""
    products = diluted(log_e[:, None]).sum(axis=(1, 2))
    return PARTS[int(np.argmax(products))]


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
