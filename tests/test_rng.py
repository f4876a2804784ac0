import jax
import jax.numpy as jnp
import numpy as np

from lab import rng


def test_a_row_does_not_depend_on_the_rows_asked_for_with_it():
    key = jax.random.key(3)
    together = rng.row_bits(key, jnp.arange(50), 7)
    alone = rng.row_bits(key, jnp.array([41]), 7)
    assert (together[41] == alone[0]).all()


def test_uniform_noise_is_uniform():
    x = np.asarray(rng.uniform(rng.row_bits(jax.random.key(0), jnp.arange(1000), 784)))
    n = x.size
    assert x.min() >= -1
    assert x.max() < 1
    assert abs(x.mean()) < 5 / np.sqrt(3 * n)  # five standard errors
    assert abs((x**2).mean() - 1 / 3) < 5 * np.sqrt(4 / 45 / n)
    counts, _ = np.histogram(x, bins=64, range=(-1, 1))
    assert ((counts - n / 64) ** 2 / (n / 64)).sum() < 63 + 5 * np.sqrt(2 * 63)
    # Neighbouring pixels and neighbouring rows are uncorrelated.
    assert abs((x[:, 1:] * x[:, :-1]).mean()) < 5 / 3 / np.sqrt(n)
    assert abs((x[1:] * x[:-1]).mean()) < 5 / 3 / np.sqrt(n)


def test_streams_differ_by_seed_member_and_name():
    keys = [rng.member(s, jnp.uint32(m), n) for s in (0, 1) for m in (0, 1) for n in ("a", "b")]
    assert len({tuple(np.asarray(jax.random.key_data(k))) for k in keys}) == 8
