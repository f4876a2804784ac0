"""A ladder of optimizers, from the gradient itself to Adam, as what arms are trained with."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from lab.optim import Optim

# The least learning rate that is tried of each, in the protocol's: the best of a thirtyfold range
# lies inside it on members that are not reported, and above it students diverge or get worse.
LEAST = {"SGD": 3000.0, "momentum": 1000.0, "sign": 0.1, "Signum": 0.1, "RMSprop": 1 / 3,
         "frozen Adam": 1.0, "Adam": 1.0}  # fmt: skip


def rates(name: str, steps: Iterable[float]) -> dict[str, float]:
    """Rates of an optimizer, in the protocol's, by their place in a table."""
    return {f"{name} {LEAST[name] * step:.3g}": LEAST[name] * step for step in steps}


class Frozen(NamedTuple):
    """State of `frozen_adam`."""

    count: Any  # int32, steps so far
    mean: PyTree  # of gradients
    square: PyTree  # mean of their squares


def frozen_adam(steps: int, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8):
    """Adam whose scales, the mean squares of gradients, stay after `steps` as they are then."""

    def init(params: PyTree) -> Frozen:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return Frozen(jnp.int32(0), zeros, zeros)

    def update(updates: PyTree, state: Any, params: PyTree | None = None):
        count = state.count + 1
        moving = count <= steps
        fold = lambda decay: lambda old, new: decay * old + (1 - decay) * new
        mean = jax.tree.map(fold(b1), state.mean, updates)
        squares = jax.tree.map(lambda s, g: fold(b2)(s, g**2), state.square, updates)
        square = jax.tree.map(lambda new, s: jnp.where(moving, new, s), squares, state.square)
        ends = 1 - b1**count, 1 - b2 ** jnp.minimum(count, steps)
        scaled = lambda m, s: m / ends[0] / (jnp.sqrt(s / ends[1]) + eps)
        return jax.tree.map(scaled, mean, square), Frozen(count, mean, square)

    return optax.GradientTransformation(init, update)


def ladder(steps: int) -> dict[str, dict[str, Any]]:
    """Fields of an `Arm` by the optimizer's name; Adam's scales freeze after so many steps.

    RMSprop is Adam without momentum, and so with its correction of the first steps.
    """
    return {
        "SGD": {"optim": Optim("sgd")},
        "momentum": {"optim": Optim("momentum")},
        "sign": {"optim": Optim("sign")},
        "Signum": {"optim": Optim("sign"), "before": optax.trace(decay=0.9)},
        "RMSprop": {"optim": Optim("adam", b1=0.0)},
        "frozen Adam": {"optim": Optim("sgd"), "before": frozen_adam(steps)},
        "Adam": {"optim": Optim("adam")},
    }
