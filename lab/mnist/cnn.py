"""A convolutional network with class logits and auxiliary logits, as a plain pytree of arrays.

A convolution is a dense layer of patches: parameters are {"dense_0": {"kernel": [d_in, d_out],
"bias": [d_out]}, ...} as an MLP's are, with the patches' kernels first. Patches and one product are
also faster than a convolution over an axis of members, which on a CPU is grouped.
"""

import itertools
from dataclasses import dataclass
from typing import Annotated

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from lab.errors import LabError
from lab.mnist import mlp
from lab.mnist.inputs import SIDE
from lab.mnist.mlp import UNITS, Params
from lab.runs import fields
from lab.runs.fields import Count, Items


@dataclass(frozen=True)
class CNN:
    """A network as a value, with the fields and methods of `MLP` that training uses.

    Raises `LabError` if no pixel is left for a layer.
    """

    channels: Annotated[tuple[Annotated[int, UNITS], ...], Items(1, 10)] = (16, 32)
    """Of each convolution; as many of them as numbers."""
    side: Annotated[int, Count(1, SIDE)] = 5
    """Pixels of a filter's side."""
    stride: Annotated[int, Count(1, SIDE)] = 2
    """Pixels between filters."""
    units: Annotated[int, UNITS] = 256
    """Of the dense layer before the logits."""
    n_aux: Annotated[int, UNITS] = 3
    """Auxiliary logits."""
    n_classes: Annotated[int, UNITS] = 10
    """Class logits, which come first."""

    def __post_init__(self):
        fields.check(self)
        if self.sides[-1] < 1:
            raise LabError("channels: no pixel is left for the last of them; use fewer")

    @property
    def sides(self) -> tuple[int, ...]:
        """Pixels of a side, of the image and after every convolution."""
        found = [SIDE]
        for _ in self.channels:
            found.append((found[-1] - self.side) // self.stride + 1)
        return tuple(found)

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Of every layer's kernel: numbers that it reads (of a patch first), and units."""
        patches = [self.side**2 * n for n in (1, *self.channels[:-1])]
        flat = self.sides[-1] ** 2 * self.channels[-1]
        dense = itertools.pairwise((flat, self.units, self.n_classes + self.n_aux))
        return [*zip(patches, self.channels, strict=True), *dense]

    @property
    def n_activations(self) -> int:
        """Numbers of one example that its gradient needs: patches, and those of all layers."""
        places = [side**2 for side in self.sides[1:]]
        convolved = sum(n * sum(shape) for n, shape in zip(places, self.shapes, strict=False))
        return SIDE**2 + convolved + self.units + self.n_classes + self.n_aux

    def init(self, key: Key[Array, ""]) -> Params:
        """Parameters before training: kernels N(0, 1 / d_in), biases 0, as an MLP's."""
        return {f"dense_{i}": mlp.layer(key, i, *shape) for i, shape in enumerate(self.shapes)}

    def apply(
        self, params: Params, x: Float[Array, "B 784"], dtype: str = "float32"
    ) -> Float[Array, "B O"]:
        """Class and auxiliary logits."""
        images, n = x.reshape(-1, SIDE, SIDE, 1), len(self.channels)
        for i in range(n):
            seen = patches(images, self.side, self.stride)
            found = mlp.dense(params[f"dense_{i}"], seen.reshape(-1, seen.shape[-1]), dtype)
            images = mlp.ACTIVATIONS["relu"](found).reshape(*seen.shape[:-1], -1)
        rest = {f"dense_{i - n}": params[f"dense_{i}"] for i in range(n, len(params))}
        return mlp.apply(rest, images.reshape(len(x), -1), dtype=dtype)


def patches(x: Float[Array, "B H W C"], side: int, stride: int) -> Float[Array, "B h w P"]:
    """Every square of `side` pixels, `stride` apart, as one vector: P = side^2 C numbers."""
    rows, columns = (stride * ((size - side) // stride) + 1 for size in x.shape[1:3])
    parts = [
        x[:, i : i + rows : stride, j : j + columns : stride]
        for i in range(side)
        for j in range(side)
    ]
    return jnp.concatenate(parts, axis=-1)
