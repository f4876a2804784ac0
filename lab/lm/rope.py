"""Rotary positions: pairs of a head's numbers are turned by angles that grow with the position.

Source: Su et al., arXiv 2104.09864; `llama3` as in Llama 3.1: what turns slowly is slowed down.
"""

import math
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float, Integer


@dataclass(frozen=True)
class Scaling:
    """How frequencies were changed for longer contexts than those of the first training."""

    kind: Literal["linear", "llama3"]
    factor: float  # that angles are divided by
    # llama3: waves longer than n_original / low tokens are; those shorter than n_original / high
    # are not, and between them it is a mixture.
    low: float = 1.0
    high: float = 4.0
    n_original: int = 8192

    def __call__(self, frequency: Float[Array, "h"]) -> Float[Array, "h"]:
        """Frequencies, radians per token, after the change."""
        slow = frequency / self.factor
        if self.kind == "linear":
            return slow
        waves = self.n_original * frequency / (2 * math.pi)  # in the first training's context
        kept = jnp.clip((waves - self.low) / (self.high - self.low), 0.0, 1.0)
        return (1 - kept) * slow + kept * frequency


def rotary(
    theta: float, d_rotary: int, position: Integer[Array, "B T"], scaling: Scaling | None = None
) -> tuple[Float[Array, "B 1 T R"], Float[Array, "B 1 T R"]]:
    """Cosines and sines for the first R numbers of a head, whose halves turn together."""
    frequency = theta ** (-jnp.arange(0, d_rotary, 2) / d_rotary)
    if scaling is not None:
        frequency = scaling(frequency)
    angle = position[:, None, :, None] * frequency[None, None, None]
    angle = jnp.concatenate([angle, angle], axis=-1)
    return jnp.cos(angle), jnp.sin(angle)


def rotate(x: Float[Array, "B N T H"], rotary) -> Float[Array, "B N T H"]:
    """Queries or keys, turned; numbers of a head beyond the first R stay as they are.

    In float32, whatever they are: bfloat16 has no angles of far positions.
    """
    cos, sin = rotary
    kind = x.dtype
    d_rotary, rest = cos.shape[-1], None
    if d_rotary < x.shape[-1]:
        x, rest = x[..., :d_rotary], x[..., d_rotary:]
    first, second = jnp.split(x, 2, axis=-1)
    x = (x * cos + jnp.concatenate([-second, first], axis=-1) * sin).astype(kind)
    return x if rest is None else jnp.concatenate([x, rest], axis=-1)
