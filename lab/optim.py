"""How a network is trained: the optimizer and its numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import optax

from lab.errors import LabError

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
    learning_rate: float = 1e-3
    """Of the steps."""
    b1: float = 0.9
    """Adam's first decay; the decay of momentum."""
    b2: float = 0.999
    """Adam's second decay."""
    eps: float = 1e-8
    """Adam's epsilon."""
    batch: int = 64
    """Examples per step; the last, smaller batch of an epoch is kept."""
    epochs: int = 1
    """Passes over the data."""

    def __post_init__(self):
        if self.optimizer not in OPTIMIZERS:
            raise LabError(
                f"optimizer: unknown name {self.optimizer!r}; choose one of {', '.join(OPTIMIZERS)}"
            )
        for name in ("learning_rate", "eps"):
            if not 0 < getattr(self, name) < float("inf"):
                raise LabError(
                    f"{name}: {getattr(self, name)} is not positive; use a larger number"
                )
        for name in ("b1", "b2"):
            if not 0 <= getattr(self, name) < 1:
                raise LabError(
                    f"{name}: {getattr(self, name)} is outside [0, 1); Adam's are .9, .999"
                )
        for name in ("batch", "epochs"):
            if not 0 <= getattr(self, name) < 2**31:
                raise LabError(f"{name}: {getattr(self, name)} is no count; use 1 or more")

    @property
    def direction(self) -> optax.GradientTransformation:
        """The optimizer, before its learning rate."""
        return OPTIMIZERS[self.optimizer](self.b1, self.b2, self.eps)
