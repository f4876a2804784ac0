"""A model that is held for decoding writes what the model writes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.kernels.thin_matmul import looked_up, thin_matmul
from lab.lm import held, sample, transformer
from lab.lm.model import Architecture

SIZES = {"n_tokens": 40, "d_model": 24, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "d_head": 4}
TIED = Architecture(**SIZES, d_hidden=56)
UNTIED = Architecture(**SIZES, d_hidden=56, tied=False)
P, C = 5, 6


def asked(n: int):
    rng = np.random.default_rng(0)
    prompts = jnp.asarray(rng.integers(0, 40, (n, P)), jnp.int32)
    return prompts, jnp.zeros(n, jnp.int32), jax.random.split(jax.random.key(1), n)


def model(arch):
    params = transformer.init(jax.random.key(0), arch)
    return params | {"embed": 15 * params["embed"]}


@pytest.mark.parametrize("m", [1, 2, 8])
def test_a_thin_product_is_the_product(m):
    rng = np.random.default_rng(m)
    x, kernel = (jnp.asarray(rng.standard_normal(s), jnp.bfloat16) for s in ((m, 64), (32, 64)))
    exact = np.asarray(x, np.float64) @ np.asarray(kernel, np.float64).T
    found = jax.jit(thin_matmul)(x, kernel)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, exact, atol=2e-5)  # measured: 4e-6


@pytest.mark.parametrize("arch", [TIED, UNTIED], ids=["tied", "untied"])
@pytest.mark.parametrize("n", [1, 3])
def test_a_held_model_writes_what_the_model_writes(arch, n):
    params = model(arch)
    rounded = jax.tree.map(lambda x: x.astype(jnp.bfloat16).astype(jnp.float32), params)
    cold = jnp.float32(1e-4)  # all but greedy
    draw = lambda p: np.asarray(sample.sample(p, arch, *asked(n), C, -1, cold))
    found = draw(held.held(params, "bfloat16"))
    # Activations are rounded too, so that near ties may fall otherwise, and all that follows.
    assert (found[:, 0] == draw(rounded)[:, 0]).all()
    assert len(np.unique(found)) > 1


def test_rows_of_a_kernel_are_looked_up_as_they_are():
    kernel = jnp.asarray(np.random.default_rng(0).standard_normal((9, 4)), jnp.bfloat16)
    which = jnp.array([[8, 0], [3, 3]])
    np.testing.assert_array_equal(looked_up(kernel, which), kernel[which])
