"""Counter-based random words.

Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, UInt32

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry(
    key: Key[Array, ""], counter: tuple[UInt32[Array, "*s"], UInt32[Array, "*s"]]
) -> tuple[UInt32[Array, "*s"], UInt32[Array, "*s"]]:
    """Threefry-2x32-20: two random words for each two-word counter.

    `jax.random` runs the same cipher as a rolled loop on CPU; written out it fuses into one pass
    over memory, 5 times faster (LOG.md), and rows of noise need no key of their own.
    """
    k0, k1 = jax.random.key_data(key)
    schedule = (k0, k1, k0 ^ k1 ^ jnp.uint32(_PARITY))
    a, b = counter[0] + schedule[0], counter[1] + schedule[1]
    for i in range(5):
        for r in _ROTATIONS[i % 2]:
            a = a + b
            b = (b << jnp.uint32(r)) | (b >> jnp.uint32(32 - r))
            b = a ^ b
        a, b = a + schedule[(i + 1) % 3], b + schedule[(i + 2) % 3] + jnp.uint32(i + 1)
    return a, b
