"""Query, key and value in one tensor of a file: one after the other, or head by head."""

import numpy as np
from jaxtyping import Float


def split(
    array: Float[np.ndarray, "*D P"], layout: str, n_heads: int
) -> tuple[Float[np.ndarray, "*D p"], ...]:
    """Query, key and value of a kernel [d_in 3N] or a bias [3N].

    The layout "parts" has all of the query first, "heads" all three of the first head.
    """
    if layout == "parts":
        return tuple(np.split(array, 3, axis=-1))
    by_head = array.reshape(*array.shape[:-1], n_heads, 3, -1)
    return tuple(by_head[..., i, :].reshape(*array.shape[:-1], -1) for i in range(3))


def join(arrays: list[Float[np.ndarray, "*D p"]], layout: str, n_heads: int) -> np.ndarray:
    """The inverse of `split`."""
    if layout == "parts":
        return np.concatenate(arrays, axis=-1)
    by_head = [x.reshape(*x.shape[:-1], n_heads, 1, -1) for x in arrays]
    return np.concatenate(by_head, axis=-2).reshape(*arrays[0].shape[:-1], -1)
