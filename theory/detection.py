"""How many rows name a teacher, and why is naming harder than seeing that one is there?

A row x is one of M completions of a prompt, p its probabilities under the base, q under a teacher,
each after the same filter; Delta is the teacher's displacement, F the base's Fisher information.

1. Beside a row stand K completions that the base wrote. With r = q / p the row's e-value is

       e = r(x) / mean of r over the row and its K companions.

   If the base wrote the row, E e = 1: each of the K + 1 is as likely to be the given one. It is so
   for any q, any prompt, and any filter, for r may be wrong by a factor that the prompt decides:
   what the filter leaves of p and q, Z_p / Z_q, cancels. Products over rows then cross 1 / a at any
   time with a probability of at most a (Ville).

2. If the teacher wrote it, E log e = KL(q || p) K / (K + 1) to second order in Delta: companions
   cost a part 1 / (K + 1) of the rate. One of W teachers, none of them known to be there, is named
   after about log(W / a) (K + 1) / (K KL) rows.

3. E_p grad log p = 0 without a filter; with one it is grad log Z_p, the same for every row of a
   prompt, which companions take off. So anything but the base shows in the mean gradient; it is
   F Delta for a teacher, to first order.

4. Which teacher it is F Delta does not say by itself: its product with a direction v is largest
   for v that F likes, not for v = Delta. Divided by the standard deviation of v . grad log p, that
   is by sqrt(v F v), it is largest for v = Delta (Cauchy and Schwarz): the matched filter.

5. If a part of the rows is the teacher's and the rest the base's, 1 - part + part e has a mean of 1
   under the base too. Its E log is part^2 KL(q || p) K / (K + 1) to second order: a tenth of the
   rows takes a hundred times as many. E log e is that times 2 / part - 1 / part^2, negative below
   one half: rows of which less than half are a teacher's speak against it by their plain product.

All of it is computed exactly here, by enumeration, for p in an exponential family of M completions.
Source: e-values, Ramdas et al. (arXiv 2210.01948); 2 to 5 are ours, and elementary.
"""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float


class Family(NamedTuple):
    """p(x) is proportional to exp(theta . features of x), over what the filter keeps."""

    features: Float[np.ndarray, "P M"]
    kept: Bool[np.ndarray, "M"]

    def p(self, theta: Float[np.ndarray, "P"]) -> Float[np.ndarray, "M"]:
        """Probabilities of completions that the filter keeps; 0 of the others."""
        z = theta @ self.features
        weights = np.where(self.kept, np.exp(z - z.max()), 0.0)
        return weights / weights.sum()

    def whole(self, theta: Float[np.ndarray, "P"]) -> Float[np.ndarray, "M"]:
        """Probabilities before the filter, which is what a model's likelihood is."""
        return Family(self.features, np.ones_like(self.kept)).p(theta)

    def gradients(self, theta: Float[np.ndarray, "P"]) -> Float[np.ndarray, "P M"]:
        """Of log p before the filter, for each completion."""
        return self.features - (self.features @ self.whole(theta))[:, None]


def fisher(family: Family, theta: Float[np.ndarray, "P"]) -> Float[np.ndarray, "P P"]:
    """Covariance of the gradients over filtered rows."""
    g, p = family.gradients(theta), family.p(theta)
    away = g - (g @ p)[:, None]
    return (away * p[None]) @ away.T


def kl(q: Float[np.ndarray, "M"], p: Float[np.ndarray, "M"]) -> float:
    """KL(q || p), nats; both are 0 in the same places."""
    on = q > 0
    return float(np.sum(q[on] * np.log(q[on] / p[on])))


def e_values(ratio: Float[np.ndarray, "M"], n_own: int) -> Float[np.ndarray, "*M"]:
    """Of a row and each choice of its companions, one axis each: the row's first."""
    every = np.meshgrid(*[ratio] * (n_own + 1), indexing="ij")
    return every[0] / np.mean(every, axis=0)


def expected(
    values: Float[np.ndarray, "*M"], row: Float[np.ndarray, "M"], own: Float[np.ndarray, "M"]
) -> float:
    """Mean over a row of one distribution, and companions of another."""
    for distribution in itertools.repeat(own, values.ndim - 1):
        values = values @ distribution  # the last axis
    return float(values @ row)


def rate(
    q: Float[np.ndarray, "M"],
    p: Float[np.ndarray, "M"],
    n_own: int,
    part: float = 1.0,
    taken: float | None = None,
) -> float:
    """E log of the e-value of a row, a teacher's by a probability of `part`, nats.

    It is that for the same part, or for the part that it is `taken` for.
    """
    on, taken = p > 0, part if taken is None else taken
    e = 1 - taken + taken * e_values(q[on] / p[on], n_own)
    return expected(np.log(e), part * q[on] + (1 - part) * p[on], p[on])


def rows_needed(q, p, n_own: int, n_teachers: int, alpha: float) -> float:
    """How many rows of a teacher's name it among so many, about; Wald's bound from below."""
    return float(np.log(n_teachers / alpha) / rate(q, p, n_own))


def signal(
    family: Family,
    theta: Float[np.ndarray, "P"],
    teacher: Float[np.ndarray, "P"],
    ways: Float[np.ndarray, "W P"],
    matched: bool = True,
) -> Float[np.ndarray, "W"]:
    """What a teacher's row adds along each way, on average; in standard deviations if matched."""
    g = family.gradients(theta)
    pull = ways @ g @ (family.p(theta + teacher) - family.p(theta))
    spread = np.sqrt(np.einsum("wp,pr,wr->w", ways, fisher(family, theta), ways))
    return pull / spread if matched else pull
