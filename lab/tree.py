"""Trees of arrays with a leading member axis."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import PyTree


def stack(trees: Sequence[PyTree]) -> PyTree:
    """Equal trees as one, whose arrays have a leading axis of their number."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def at(tree: PyTree, i: int) -> PyTree:
    """Member i of a stacked tree."""
    return jax.tree.map(lambda x: x[i], tree)
