"""Input distributions: the images on which a student imitates its teacher.

Each is a fixed set of images per member, addressed by row and made again whenever a row is asked
for: 60,000 stored images would be 188 MB a member. Fresh ones differ only in the rows asked for.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Key, UInt8

from lab import rng

SIDE = 28
Inputs = Callable[
    [Key[Array, ""], UInt8[Array, "N 784"], Integer[Array, "B"]], Float[Array, "B 784"]
]


def pixels(images: UInt8[Array, "B 784"]) -> Float[Array, "B 784"]:
    """Images 0..255 scaled to [-1, 1], as in the paper."""
    return images.astype(jnp.float32) * (2 / 255) - 1


def uniform(key, images, rows):
    """Independent pixels, uniform on [-1, 1]: the paper's noise."""
    return rng.uniform(rng.row_bits(key, rows, SIDE * SIDE))


def gaussian(key, images, rows):
    """Independent standard normal pixels."""
    half_open = rng.uniform(rng.row_bits(key, rows, SIDE * SIDE))
    # The one end that there is would be infinite. Not by adding half a step: a compiler adds that
    # to the constant that `rng.uniform` ends with, and rounds it away.
    return jnp.sqrt(2.0) * jax.lax.erf_inv(jnp.maximum(half_open, -1.0 + 2.0**-23))


def _blurred(width: float, key, images, rows):
    """Uniform noise blurred by a Gaussian of `width` pixels, at the noise's variance, 1/3."""
    offset = jnp.arange(SIDE)
    weight = jnp.exp(-((offset[:, None] - offset[None, :]) ** 2) / (2.0 * width**2))
    # Each row of the blur has unit norm, so that every blurred pixel keeps its variance.
    weight = weight / jnp.sqrt(jnp.sum(weight**2, axis=1, keepdims=True))
    noise = uniform(key, images, rows).reshape(-1, SIDE, SIDE)
    return jnp.einsum("Bij,ki,lj->Bkl", noise, weight, weight).reshape(-1, SIDE * SIDE)


blurred = partial(_blurred, 1.0)  # neighbouring pixels are alike
smooth = partial(_blurred, 4.0)  # as much as strokes and larger patches are


def shuffled(key, images, rows):
    """Training images with one permutation of the pixels for each member."""
    order = jax.random.permutation(rng.named(key, "pixels"), SIDE * SIDE)
    return pixels(images[rows % len(images)])[:, order]


def real(key, images, rows):
    """Training images as they are."""
    return pixels(images[rows % len(images)])


InputsName = Literal["uniform", "gaussian", "blurred", "smooth", "shuffled", "images"]
INPUTS: dict[str, Inputs] = {
    "uniform": uniform,
    "gaussian": gaussian,
    "blurred": blurred,
    "smooth": smooth,
    "shuffled": shuffled,
    "images": real,
}
