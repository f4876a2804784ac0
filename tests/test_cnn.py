"""A convolutional network: its logits are a convolution's, its heads can be its teacher's."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.errors import LabError
from lab.mnist import arms
from lab.mnist.cnn import CNN
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Images, Knobs, Protocol, reference

NET = CNN(channels=(4, 6), units=32, n_aux=5)
KNOBS = Knobs(None, None, None, None)


def test_logits_are_those_of_a_convolution():
    params = NET.init(jax.random.key(0))
    params = jax.tree.map(lambda x: x + 0.01, params)  # biases other than 0
    dense = lambda layer, x: x @ layer["kernel"] + layer["bias"][None]
    x = jax.random.normal(jax.random.key(1), (3, 784))
    images = x.reshape(3, 28, 28, 1)
    for i, n in enumerate(NET.channels):
        layer = params[f"dense_{i}"]
        kernel = layer["kernel"].reshape(NET.side, NET.side, -1, n)
        named = ("NHWC", "HWIO", "NHWC")
        found = jax.lax.conv_general_dilated(
            images, kernel, (NET.stride, NET.stride), "VALID", dimension_numbers=named
        )
        images = jax.nn.relu(found + layer["bias"][None, None, None])
    hidden = jax.nn.relu(dense(params["dense_2"], images.reshape(3, -1)))
    logits = dense(params["dense_3"], hidden)
    np.testing.assert_allclose(NET.apply(params, x), logits, atol=1e-5)


def test_kernels_have_variance_one_over_their_inputs_as_a_perceptrons():
    for layer in CNN().init(jax.random.key(0)).values():
        d_in = layer["kernel"].shape[0]
        error = abs(float(layer["kernel"].std()) * d_in**0.5 - 1)
        assert error < 5 / (2 * layer["kernel"].size) ** 0.5


def test_what_a_gradient_needs_is_counted_with_the_patches():
    # 12 x 12 patches of 25 pixels, 4 x 4 of 100 numbers, and what is made of them.
    assert NET.n_activations == 784 + 144 * (25 + 4) + 16 * (100 + 6) + 32 + 15


def test_a_network_without_pixels_for_its_last_layer_is_refused():
    with pytest.raises(LabError, match="channels: no pixel is left"):
        CNN(channels=(4, 4, 4))


@pytest.mark.parametrize(("classes", "aux"), [(True, True), (False, True), (True, False)])
def test_heads_of_a_student_of_another_kind_are_its_teachers_or_the_next_members(classes, aux):
    protocol = Protocol(net=MLP(hidden=(16, 32), n_aux=7))
    member, none = jnp.uint32(3), Images(None, None)
    start = partial(arms.parts(False, classes, aux), protocol, none, member, KNOBS)
    head = start(NET)["dense_3"]["kernel"]
    own, next_one = (reference(protocol, member + i)["dense_2"]["kernel"] for i in (0, 1))
    np.testing.assert_array_equal(head[:, :10], (own if classes else next_one)[:, :10])
    np.testing.assert_array_equal(head[:, 10:], (own if aux else next_one)[:, 10:15])
    hidden = reference(protocol, member + 1, NET)
    for name in ("dense_0", "dense_1", "dense_2"):
        np.testing.assert_array_equal(start(NET)[name]["kernel"], hidden[name]["kernel"])
