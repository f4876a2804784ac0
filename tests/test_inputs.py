import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab import rng
from lab.mnist import inputs

KEY = jax.random.key(5)
ROWS = jnp.arange(400)


@pytest.fixture(scope="module")
def pixels(digits):
    return jnp.asarray(digits.train_images)


@pytest.mark.parametrize("name", inputs.INPUTS)
def test_a_row_is_the_same_image_whenever_it_is_asked_for(name, pixels):
    draw = inputs.INPUTS[name]
    whole, part = draw(KEY, pixels, ROWS), draw(KEY, pixels, jnp.array([123, 7]))
    # The blur is a matrix product, rounded differently in another batch: 2e-7 measured.
    np.testing.assert_allclose(
        whole[jnp.array([123, 7])], part, atol=2e-6 * (name in ("blurred", "smooth"))
    )


@pytest.mark.parametrize(
    ("name", "variance"),
    [("uniform", 1 / 3), ("gaussian", 1), ("blurred", 1 / 3), ("smooth", 1 / 3)],
)
def test_noise_has_mean_zero_and_the_stated_variance_at_every_pixel(name, variance, pixels):
    x = inputs.INPUTS[name](KEY, pixels, jnp.arange(4000))
    assert jnp.isfinite(x).all()
    assert abs(x.mean(axis=0)).max() < 5 * (variance / 4000) ** 0.5
    assert abs(x.var(axis=0) / variance - 1).max() < 5 * (2 / 4000) ** 0.5


@pytest.mark.parametrize("bits", [0, 2**32 - 1])
def test_noise_of_the_first_and_the_last_random_word_is_finite_once_compiled(bits, monkeypatch):
    # Each comes up in one of 8 million pixels, of which an epoch has 47 million.
    def drawn(word):  # at run time: constants would be folded as they stand
        monkeypatch.setattr(rng, "row_bits", lambda key, rows, n: jnp.full((len(rows), n), word))
        return inputs.gaussian(KEY, None, ROWS)

    x = jax.jit(drawn)(jnp.uint32(bits))
    assert 5 < abs(x).min() == abs(x).max() < 5.5


@pytest.mark.parametrize(("name", "width"), [("blurred", 1), ("smooth", 4)])
def test_pixels_of_blurred_noise_are_as_alike_as_a_gaussian_of_its_width_makes_them(
    name, width, pixels
):
    x = inputs.INPUTS[name](KEY, pixels, ROWS).reshape(-1, 28, 28)
    inner = x[:, 12:16] if width > 1 else x  # an edge cuts the blur off
    neighbours = (inner[:, 1:] * inner[:, :-1]).mean() / (inner**2).mean()
    assert abs(neighbours - np.exp(-1 / (4 * width**2))) < 0.02


def test_real_images_are_scaled_to_the_unit_interval(pixels):
    x = inputs.real(KEY, pixels, ROWS)
    assert x.min() == -1
    assert x.max() <= 1
    np.testing.assert_allclose(x[3], np.asarray(pixels[3]) / 127.5 - 1, atol=1e-6)


def test_shuffling_keeps_each_images_pixels_and_uses_one_order_per_member(pixels):
    x, original = inputs.shuffled(KEY, pixels, ROWS), inputs.real(KEY, pixels, ROWS)
    np.testing.assert_array_equal(jnp.sort(x, axis=1), jnp.sort(original, axis=1))
    # One order: pixels that are always background stay equal to each other across images.
    assert jnp.unique(x.std(axis=0)).size == jnp.unique(original.std(axis=0)).size
    assert (x != original).any()
    assert (inputs.shuffled(jax.random.key(6), pixels, ROWS) != x).any()
