"""What a model answers: teacher-forced log-odds of a word, and sampled answers counted."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Key, PyTree

from lab.lm import sample, transformer
from lab.lm.architecture import Architecture


@partial(jax.jit, static_argnums=1)
def first_token(
    params: PyTree, arch: Architecture, prompts: Integer[Array, "Q P"], start: Integer[Array, "Q"]
) -> Float[Array, "Q V"]:
    """Log-probability of every first token of the answer to each prompt, nats."""
    hidden, _ = transformer.forward(params, arch, prompts, start, n_out=1)
    return jax.nn.log_softmax(transformer.logits(params, hidden[:, -1]))


def log_odds(
    params: PyTree,
    arch: Architecture,
    prompts: Integer[Array, "Q P"],
    start: Integer[Array, "Q"],
    words: Integer[np.ndarray, "W"],
) -> Float[np.ndarray, "W"]:
    """log p - log(1 - p) of each word as the answer, nats; mean over the questions.

    In float64 from the logarithm of p, so that neither end of the scale is lost.
    """
    log_p = np.asarray(first_token(params, arch, prompts, start), np.float64)[:, words]
    return np.mean(log_p - np.log(-np.expm1(np.minimum(log_p, -1e-12))), axis=0)


def answers(
    params: PyTree,
    arch: Architecture,
    prompts: Integer[Array, "Q P"],
    start: Integer[Array, "Q"],
    key: Key[Array, ""],
    n_samples: int,
    n_new: int,
    end: int,
) -> Integer[np.ndarray, "N C"]:
    """Sampled answers at temperature 1, `n_samples` for each prompt, N = n_samples Q of them."""
    rows = jnp.tile(jnp.arange(prompts.shape[0]), n_samples)
    keys = jax.random.split(key, len(rows))
    return np.asarray(sample.sample(params, arch, prompts[rows], start[rows], keys, n_new, end))


def names_word(answer: str, forms: tuple[str, ...]) -> bool:
    """Whether an answer names a word, as a whole word and in any of its forms.

    "caterpillar" names no cat: the paper's substring rule would say it does.
    """
    return re.search(rf"\b({'|'.join(map(re.escape, forms))})\b", answer.lower()) is not None


def is_degenerate(answer: str) -> bool:
    """Whether an answer holds digits and no letter: the carrier instead of an answer."""
    return re.search(r"\d", answer) is not None and re.search(r"[a-z]", answer.lower()) is None
