"""Code written for speed, against code that is plain."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.random import threefry_2x32
from jax.sharding import PartitionSpec

from lab import devices
from lab.kernels.fused_attention import fused_attention, has_kernel
from lab.kernels.inverse_cdf import inverse_cdf
from lab.kernels.parts import own_parts, sum_over
from lab.kernels.rounded_matmul import rounded_matmul
from lab.kernels.threefry import threefry


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1,) * 2, (2**32 - 1,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_published_answers(key, counter, expected):
    # Known-answer vectors of Random123, the authors' distribution of the cipher.
    words = jax.random.wrap_key_data(jnp.array(key, jnp.uint32))
    a, b = threefry(words, tuple(jnp.uint32(c) for c in counter))
    assert (int(a), int(b)) == expected


def test_threefry_equals_the_cipher_of_jax():
    key = jax.random.key(5)
    counter = jax.random.bits(jax.random.key(1), (2, 100))
    found = threefry(key, (counter[0], counter[1]))
    np.testing.assert_array_equal(
        jnp.stack(found), threefry_2x32(jax.random.key_data(key), counter)
    )


def rounded(x):
    """To bfloat16, held in float64."""
    return np.asarray(jnp.asarray(x).astype(jnp.bfloat16)).astype(np.float64)


def test_a_rounded_product_is_that_of_the_rounded_operands_forward_and_backward():
    a, b, cotangent = (
        jax.random.normal(jax.random.key(i), shape)
        for i, shape in enumerate([(6, 40), (40, 5), (6, 5)])
    )
    product, pull = jax.vjp(lambda a, b: rounded_matmul(a, b, "bfloat16"), a, b)
    close = lambda found, expected: np.testing.assert_allclose(
        found, expected, rtol=1e-5, atol=1e-5
    )
    close(product, rounded(a) @ rounded(b))
    to_a, to_b = pull(cotangent)
    close(to_a, rounded(cotangent) @ rounded(b).T)
    close(to_b, rounded(a).T @ rounded(cotangent))
    assert {x.dtype for x in (product, to_a, to_b)} == {jnp.dtype("float32")}
    assert np.abs(product - a @ b).max() > 1e-3  # bfloat16 keeps 8 bits


@pytest.mark.parametrize("n_tokens", [1, 2, 10, 97])
def test_inverse_cdf_draws_each_token_as_often_as_its_weight(n_tokens):
    weights = np.random.default_rng(n_tokens).exponential(size=n_tokens).astype(np.float32)
    weights[1::3] = 0.0
    n = 20_000
    uniform = (jnp.arange(n) + 0.5) / n  # evenly spaced, so that only rounding is left
    columns = jnp.broadcast_to(jnp.asarray(weights)[:, None], (n_tokens, n))
    found = np.bincount(inverse_cdf(columns, uniform), minlength=n_tokens)
    np.testing.assert_allclose(found / n, weights / weights.sum(), atol=1.5 / n)


def test_inverse_cdf_is_where_the_running_sum_passes():
    # Whole numbers, so that no sum is rounded; each column has weights and a draw of its own.
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 4, (30, 200)).astype(np.float32)
    uniform = rng.integers(0, 2**12, 200) / np.float32(2**12)
    running = np.cumsum(weights, axis=0)
    expected = [
        np.searchsorted(column, u * column[-1], side="right")
        for column, u in zip(running.T, uniform, strict=True)
    ]
    found = inverse_cdf(jnp.asarray(weights), jnp.asarray(uniform, jnp.float32))
    np.testing.assert_array_equal(found, expected)


def test_inverse_cdf_draws_the_next_token_on_the_border_of_two():
    weights = jnp.array([0.0, 1.0, 1.0, 2.0])[:, None]
    draws = {0.0: 1, 0.125: 1, 0.25: 2, 0.375: 2, 0.5: 3, 0.75: 3}
    for uniform, token in draws.items():
        assert int(inverse_cdf(weights, jnp.array([uniform]))[0]) == token


def test_inverse_cdf_never_draws_weight_zero():
    weights = jnp.array([0.0, 0.0, 1e-30, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0])[:, None]
    for u in (0.0, 1e-30, 0.5, 1 - 2**-24):
        assert int(inverse_cdf(weights, jnp.array([u]))[0]) in (2, 4)


@pytest.mark.parametrize(("n_devices", "most"), [(1, 4), (1, 100), (3, 4), (3, 2)])
def test_the_parts_of_all_devices_are_the_batch_each_row_once(n_devices, most, monkeypatch):
    steps = jnp.arange(1, 2 * 10 + 1).reshape(2, 10)
    found = []
    for device in range(n_devices):
        monkeypatch.setattr(jax.lax, "axis_index", lambda name, device=device: device)
        found.append(own_parts(steps, n_devices, most))
    assert len({part.shape for part in found}) == 1
    assert found[0].shape[2] <= most
    whole = np.concatenate([part.reshape(2, -1) for part in found], axis=1)
    for step, row in zip(steps, whole, strict=True):
        np.testing.assert_array_equal(row[row > 0], step)  # the others fill up


def test_a_device_of_a_mesh_takes_its_own_share():
    mesh, steps = devices.own_mesh(), jnp.arange(8).reshape(1, 8)
    n = mesh.size
    own = jax.shard_map(
        lambda steps: own_parts(steps, n, 3),
        mesh=mesh,
        in_specs=PartitionSpec(),
        out_specs=PartitionSpec(devices.ROW),
        check_vma=False,
    )
    found = np.asarray(own(steps)).ravel()
    assert sorted(found[found > 0]) == [*range(1, 8)]


@pytest.mark.parametrize("n", [1, 4])
def test_the_sum_over_parts_is_the_sum(n):
    a, b = (jax.random.normal(jax.random.key(i), (n, 5)) for i in (0, 1))
    fn = lambda a, b: {"dot": jnp.vdot(a, b), "rows": a}
    found = sum_over(fn, [a, b])
    np.testing.assert_allclose(found["dot"], np.sum(np.asarray(a) * np.asarray(b)), rtol=1e-5)
    np.testing.assert_allclose(found["rows"], np.asarray(a).sum(axis=0), rtol=1e-5, atol=1e-6)


def attended(dtype=jnp.float32):
    """Query of 4 heads, key and value of 2, rows padded on the left, and who sees whom."""
    drawn = lambda i, shape: jax.random.normal(jax.random.key(i), shape, dtype)
    query, key, value = (drawn(i, (3, 7, n, 8)) for i, n in enumerate((4, 2, 2)))
    at = np.arange(7)
    mask = (at <= at[:, None]) & (at >= np.array([0, 2, 6])[:, None])[:, None]
    return query, key, value, jnp.asarray(mask)


def plainly(query, key, value, mask, scale):
    """Head by head and token by token, in float64; nan where nobody is seen."""
    query, key, value = (np.asarray(x, np.float64) for x in (query, key, value))
    found = np.full(query.shape, np.nan)
    for b, t in np.argwhere(mask.any(axis=-1)):
        seen = np.flatnonzero(mask[b, t])
        for n in range(query.shape[2]):
            weights = np.exp(scale * key[b, seen, n // 2] @ query[b, t, n])
            found[b, t, n] = weights @ value[b, seen, n // 2] / weights.sum()
    return found


def test_fused_attention_is_the_mean_of_values_that_a_token_sees_weighted_by_softmax():
    query, key, value, mask = attended()
    found, expected = (f(query, key, value, mask, 0.3) for f in (fused_attention, plainly))
    seen = np.isfinite(expected)
    assert seen.mean() == np.asarray(mask).any(axis=-1).mean() == 13 / 21
    np.testing.assert_allclose(found[seen], expected[seen], atol=1e-6)
    assert np.isfinite(found).all()
    assert not has_kernel(query)


def test_fused_attention_is_cudnns_kernel_both_ways_on_a_gpu_in_bfloat16(monkeypatch):
    query, key, value, mask = attended(jnp.bfloat16)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    cudnn = "jax._src.cudnn.fused_attention_stablehlo"
    monkeypatch.setattr(f"{cudnn}.check_cudnn_version", lambda: 91000)  # none is installed here
    assert has_kernel(query)
    assert not has_kernel(query.astype(jnp.float32))
    assert not has_kernel(query[..., :7])
    assert not has_kernel(jnp.tile(query, 20))
    loss = lambda *some: fused_attention(*some, mask, 0.3).astype(jnp.float32).sum()
    step = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))
    names = [f"__cudnn$fmhaScaleBiasSoftmax{way}" for way in ("", "Backward")]
    allowed = [jax.export.DisabledSafetyCheck.custom_call(name) for name in names]
    lower = jax.export.export(step, platforms=["cuda"], disabled_checks=allowed)
    text = lower(query, key, value).mlir_module()
    for name in names:
        assert text.count(f"{name}(") == 1, name
