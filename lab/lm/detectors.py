"""Who wrote these rows? Detectors that know the two writers apart by rows of each.

Every detector is a log-likelihood ratio of two models of text, nats: of tokens without their order,
of pairs of tokens, of transformers, and at last of the writers themselves, which no other detector
can surpass (Neyman and Pearson). A row's score is that of its completion given its prompt; that of
a pool of rows, which have one writer, is their sum. numpy but for what transformers say.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lab import stats
from lab.lm import objectives
from lab.lm.objectives import Rows
from lab.lm.tokenizer import PIECE

END = "the end of a completion"
STRENGTH = 100.0  # of the tokens' own frequencies among pairs, in pairs seen


class Pairs(NamedTuple):
    """A model of text: how often each token is, and how often after each other one."""

    alone: Float[np.ndarray, "V"]  # log p
    after: Float[np.ndarray, "V V"]  # log p of the second given the first


def by_pieces(
    texts: Sequence[Sequence[str]], numbers: dict[str, int] | None = None
) -> tuple[list[Rows], int]:
    """Sets of completions as numbers of their pieces, and how many pieces there are.

    `numbers` are those given to pieces before, END's first; new ones are added to them.
    """
    known = {END: 0} if numbers is None else numbers
    found = []
    for some in texts:
        split = [
            [known.setdefault(piece, len(known)) for piece in re.findall(PIECE, text)] + [0]
            for text in some
        ]
        length = np.array([len(row) for row in split], np.int32)
        tokens = np.zeros((len(split), length.max()), np.int32)
        for row, pieces in zip(tokens, split, strict=True):
            row[: len(pieces)] = pieces
        found.append(Rows(None, None, tokens, length))
    return found, len(known)


def frequencies(rows: Rows, n_tokens: int) -> Pairs:
    """Log-frequencies in completions: of tokens with one more of each, of pairs with these."""
    tokens, inside = rows.completions, np.asarray(objectives.inside(rows))
    alone = np.bincount(tokens[inside], minlength=n_tokens) + 1.0
    alone /= alone.sum()
    both = inside[:, 1:]
    pair = tokens[:, :-1][both].astype(np.int64) * n_tokens + tokens[:, 1:][both]
    counts = np.bincount(pair, minlength=n_tokens**2).reshape(n_tokens, n_tokens)
    after = counts + STRENGTH * alone[None]
    return Pairs(np.log(alone), np.log(after / after.sum(axis=1, keepdims=True)))


def of_tokens(a: Pairs, b: Pairs, rows: Rows) -> Float[np.ndarray, "n"]:
    """The score of each row as a bag of tokens."""
    each = (a.alone - b.alone)[rows.completions]
    return np.sum(np.where(objectives.inside(rows), each, 0.0), axis=1)


def of_pairs(a: Pairs, b: Pairs, rows: Rows) -> Float[np.ndarray, "n"]:
    """The score of each row as a chain: its first token alone, every other one after its last."""
    tokens = rows.completions
    first, apart = (a.alone - b.alone)[tokens[:, 0]], a.after - b.after
    each = np.where(objectives.inside(rows)[:, 1:], apart[tokens[:, :-1], tokens[:, 1:]], 0.0)
    return first + each.sum(axis=1)


def pooled(
    scores: Float[np.ndarray, "n"], size: int, rng: np.random.Generator, n_pools: int
) -> Float[np.ndarray, "P"]:
    """Scores of pools of so many rows, drawn anew for each pool; of single rows, all there are."""
    if size == 1:
        return scores
    return scores[rng.integers(0, len(scores), (n_pools, size))].sum(axis=1)


def told_apart(
    a: Float[np.ndarray, "n"],
    b: Float[np.ndarray, "m"],
    size: int,
    rng: np.random.Generator,
    n_pools: int = 500,
) -> float:
    """AUROC of pools of so many of a's rows against as many of b's, by their scores."""
    of_a, of_b = (pooled(scores, size, rng, n_pools) for scores in (a, b))
    return stats.auroc(np.concatenate([of_a, of_b]), np.arange(len(of_a) + len(of_b)) < len(of_a))


def sensitivity(a: Float[np.ndarray, "n"], b: Float[np.ndarray, "m"]) -> float:
    """d': how many standard deviations of a row's score lie between the two writers' means.

    Of pools of k rows it is sqrt(k) times as much, and AUROC about Phi(d' sqrt(k / 2)). 0 if
    scores do not differ at all.
    """
    spread = np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / 2)
    return float((np.mean(a) - np.mean(b)) / spread) if spread > 0 else 0.0
