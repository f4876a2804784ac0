from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.errors import LabError
from lab.mnist import mlp
from lab.mnist.mlp import MLP

SIZES = (784, 256, 256, 13)


def test_kernels_are_normal_with_variance_one_over_inputs_and_biases_zero():
    params = mlp.init(jax.random.key(0), SIZES)
    for layer, d_in in zip(params.values(), SIZES[:-1], strict=True):
        n = layer["kernel"].size
        assert abs(layer["kernel"].std() * d_in**0.5 - 1) < 5 / (2 * n) ** 0.5
        # A truncated normal would end at two standard deviations.
        assert abs(layer["kernel"]).max() * d_in**0.5 > 2.5
        assert (layer["bias"] == 0).all()


def test_logits_equal_a_numpy_network():
    params = mlp.init(jax.random.key(0), (6, 5, 4))
    params["dense_0"]["bias"] = jnp.linspace(-1, 1, 5)
    x = np.asarray(jax.random.normal(jax.random.key(1), (3, 6)))
    first, second = params["dense_0"], params["dense_1"]
    hidden = np.maximum(x @ np.asarray(first["kernel"]) + np.asarray(first["bias"]), 0)
    expected = hidden @ np.asarray(second["kernel"])
    np.testing.assert_allclose(mlp.apply(params, jnp.asarray(x)), expected, atol=1e-6)


def test_another_layer_does_not_change_the_first_ones_init():
    short, long = (mlp.init(jax.random.key(0), s) for s in ((4, 3, 2), (4, 3, 2, 2)))
    assert (short["dense_0"]["kernel"] == long["dense_0"]["kernel"]).all()


def test_bfloat16_changes_products_and_nothing_else():
    params = mlp.init(jax.random.key(0), SIZES)
    x = jax.random.uniform(jax.random.key(1), (64, 784), minval=-1)
    exact, rounded = mlp.apply(params, x), mlp.apply(params, x, dtype="bfloat16")
    assert rounded.dtype == jnp.float32
    error = jnp.linalg.norm(rounded - exact) / jnp.linalg.norm(exact)
    assert 1e-4 < error < 1e-2  # measured: 3e-3
    loss = lambda p, dtype: (mlp.apply(p, x, dtype=dtype) ** 2).sum()
    exact, rounded = (jax.grad(loss)(params, dtype) for dtype in ("float32", "bfloat16"))
    assert all(g.dtype == jnp.float32 for g in jax.tree.leaves(rounded))
    for a, b in zip(jax.tree.leaves(exact), jax.tree.leaves(rounded), strict=True):
        assert jnp.linalg.norm(a - b) < 0.1 * jnp.linalg.norm(a)  # measured: .053, at kinks


def test_every_product_of_a_bfloat16_step_has_bfloat16_operands():
    params = mlp.init(jax.random.key(0), (6, 5, 4))
    x = jnp.ones((3, 6))
    step = jax.grad(lambda p: (mlp.apply(p, x, dtype="bfloat16") ** 2).sum())
    text = str(jax.make_jaxpr(step)(params))
    products = [line for line in text.splitlines() if "dot_general" in line]
    assert len(products) >= 5  # two forward, two for kernels, one for the hidden layer
    assert text.count("bf16[") >= 2 * len(products)
    lowered = jax.jit(step).lower(params).as_text()
    dots = [line for line in lowered.splitlines() if "stablehlo.dot_general" in line]
    assert all(line.count("xbf16>") == 2 for line in dots), dots


@pytest.mark.parametrize("activation", mlp.ACTIVATIONS)
def test_a_network_as_a_value_is_its_sizes_its_activation_and_the_scale_of_its_kernels(activation):
    net = MLP(hidden=(5, 4), activation=activation, n_aux=2, n_classes=3, init_scale=2.0)
    assert net.sizes == (784, 5, 4, 5)
    params, plain = net.init(jax.random.key(0)), mlp.init(jax.random.key(0), net.sizes)
    np.testing.assert_allclose(params["dense_1"]["kernel"], 2 * plain["dense_1"]["kernel"], 1e-6)
    x = jax.random.uniform(jax.random.key(1), (3, 784))
    found, others = net.apply(params, x), set(mlp.ACTIVATIONS) - {activation}
    assert (found == mlp.apply(params, x, activation)).all()
    assert all((found != mlp.apply(params, x, other)).any() for other in others)


@pytest.mark.parametrize(
    ("words", "name"),
    [({"hidden": ()}, "hidden"), ({"hidden": (0,)}, "hidden"), ({"n_aux": 0}, "n_aux")],
)
def test_a_network_without_units_is_refused_by_name(words, name):
    with pytest.raises(LabError, match=f"{name}: "):
        MLP(**words)


def test_a_network_without_biases_is_one_whose_biases_are_0():
    net = MLP(hidden=(5,), bias=False)
    params = net.init(jax.random.key(0))
    assert all(list(layer) == ["kernel"] for layer in params.values())
    x = jnp.ones((2, 784))
    whole = replace(net, bias=True)
    assert (net.apply(params, x) == whole.apply(whole.init(jax.random.key(0)), x)).all()


def test_variants_differ_from_a_network_in_one_field():
    net = MLP(hidden=(8, 4))
    for name, other in mlp.variants(net).items():
        changed = [f.name for f in fields(MLP) if getattr(net, f.name) != getattr(other, f.name)]
        assert len(changed) == 1, name
