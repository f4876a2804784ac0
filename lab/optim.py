"""How a network is trained: the optimizer and its numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import optax

from lab.runs import fields
from lab.runs.fields import FRACTION, Count, Real

# Directions; the learning rate is applied by `ensemble.descend`, so that it can differ by member.
OPTIMIZERS: dict[str, Callable[[float, float, float], optax.GradientTransformation]] = {
    "adam": lambda b1, b2, eps: optax.scale_by_adam(b1, b2, eps),
    "sgd": lambda b1, b2, eps: optax.identity(),
    "momentum": lambda b1, b2, eps: optax.trace(decay=b1),
    "sign": lambda b1, b2, eps: optax.scale_by_sign(),
}


@dataclass(frozen=True)
class Optim:
    """An optimizer and how long it runs. Raises `LabError` for numbers that train nothing."""

    optimizer: Literal["adam", "sgd", "momentum", "sign"] = "adam"
    """Of the steps."""
    learning_rate: Annotated[float, Real()] = 1e-3
    """Of the steps."""
    b1: Annotated[float, FRACTION] = 0.9
    """Adam's first decay; the decay of momentum."""
    b2: Annotated[float, FRACTION] = 0.999
    """Adam's second decay."""
    eps: Annotated[float, Real()] = 1e-8
    """Adam's epsilon."""
    batch: Annotated[int, Count(0)] = 64
    """Examples per step; the last, smaller batch of an epoch is kept."""
    epochs: Annotated[int, Count(0, 1_000_000)] = 1
    """Passes over the data."""

    __post_init__ = fields.check

    @property
    def direction(self) -> optax.GradientTransformation:
        """The optimizer, before its learning rate."""
        return OPTIMIZERS[self.optimizer](self.b1, self.b2, self.eps)
