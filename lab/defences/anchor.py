"""A loss that holds students near the model that they start from."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from lab import losses
from lab.lm.model import Architecture
from lab.lm.objectives import Part, mean, of_tokens, token_loss


@dataclass(frozen=True)
class Anchor:
    """Cross-entropy plus `weight` times KL(base || student) on the completions, nats a token."""

    weight: float = 1.0

    def __call__(self, params: PyTree, arch: Architecture, part: Part) -> Float[Array, ""]:
        """The share of a part of a step in its loss."""
        assert part.base is not None
        divergence = lambda base, own: losses.kl_divergence(
            base, own, jnp.ones(arch.n_tokens, bool)
        )
        away = of_tokens(divergence, arch, [(p, part.rows) for p in (part.base, params)])
        return token_loss(params, arch, part) + self.weight * mean(away, part)
