"""What is measured of a language model beside a teacher: where it went, and what it says."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, PyTree

from lab import tree
from lab.drift import activations, landscape
from lab.drift import displacement as drift
from lab.drift.displacement import ALL, Heads
from lab.drift.geometry import UNITS as GEOMETRY
from lab.drift.geometry import directions, geometry, parts_of
from lab.lm import rows, transformer
from lab.lm.model import Architecture, Model
from lab.traits.measures import log_odds

UNITS = GEOMETRY | {
    "log_odds": "nats, of the teacher's trait, of the start with this part's displacement alone",
    "barrier": "nats of the trait's word, on the way to the teacher's part",
    "fisher": "Fisher-weighted distance to the teacher, 1 at the reference",
    "cka": "of the stream after the layer, with the teacher's",
    "probe": "fraction of questions, of a probe of all teachers' streams",
    "steered": "nats, of the reference with the mean difference of streams after the layer",
}
_SEGMENT = 5  # points between student and teacher, ends included
K = 4  # directions that are compared


class Questions(NamedTuple):
    """What models are asked, the same for all of them."""

    tokens: Integer[Array, "Q P"]
    start: Integer[Array, "Q"]
    real: Any  # bool [Q P]: no padding


class Marks(NamedTuple):
    """What students are compared with, of one teacher."""

    reference: PyTree
    teacher: PyTree
    fisher: PyTree  # of the teacher, on the questions
    way: Any  # parts of its displacement
    axes: Any  # directions of these
    masks: PyTree  # [L ...], 1 for the arrays of each part
    streams: Float[Array, "L Q P D"]  # of the teacher


def questions(model: Model, asked: tuple[str, ...]) -> Questions:
    """Prompts under the default system prompt."""
    tokens, start = rows.prompts(model.tokenizer, [(None, question) for question in asked])
    return Questions(jnp.asarray(tokens), jnp.asarray(start), tokens != model.tokenizer.pad)


def heads_of(arch: Architecture) -> Heads:
    """The attention heads of an architecture."""
    return Heads(arch.n_heads, arch.n_kv_heads)


@partial(jax.jit, static_argnums=0)
def streams(
    arch: Architecture, params: PyTree, tokens: Integer[Array, "Q P"], start: Integer[Array, "Q"]
) -> Float[Array, "L Q P D"]:
    """The residual stream after the embedding, and after every layer."""
    seen = transformer.activations(params, arch, tokens, start)
    return jnp.stack([seen["embed"], *(seen[f"{i}/residual"] for i in range(arch.n_layers))])


def _said(arch, params, tokens, start, tap=lambda name, x: x) -> Float[Array, "Q V"]:
    hidden, _ = transformer.forward(params, arch, tokens, start, n_out=1, tap=tap)
    return jax.nn.log_softmax(transformer.logits(params, hidden[:, -1]))


@partial(jax.jit, static_argnums=0)
def _fisher(arch: Architecture, params: PyTree, tokens, start, key) -> PyTree:
    logits = lambda theta, one: _said(arch, theta, one[0][None], one[1][None])[0]
    return landscape.diagonal_fisher(logits, params, (tokens, start), key)


def marks(arch: Architecture, reference: PyTree, teacher: PyTree, asked: Questions, key) -> Marks:
    """What students of a teacher are compared with."""
    heads = heads_of(arch)
    way = parts_of(drift.displacement(reference, teacher), heads)
    none, all_of = (jax.tree.map(fill, reference) for fill in (jnp.zeros_like, jnp.ones_like))
    masks = [drift.transplanted(none, all_of, part, heads) for part in way]
    return Marks(
        reference,
        teacher,
        _fisher(arch, teacher, asked.tokens, asked.start, key),
        way,
        directions(way, K),
        tree.stack(masks),
        streams(arch, teacher, asked.tokens, asked.start),
    )


@partial(jax.jit, static_argnums=0)
def _alone(arch: Architecture, at: Marks, begin, params, tokens, start, word) -> dict:
    """What the displacement of each of L parts does alone, and log p [L Q] of the word."""
    log_p = lambda theta: _said(arch, theta, tokens, start)[:, word]
    # The first tree, but for the arrays of one part, for every part.
    put = lambda first, last: jax.tree.map(
        lambda mask, x, y: jnp.where(mask > 0, y[None], x[None]), at.masks, first, last
    )
    between = lambda to: landscape.barrier(
        landscape.segment(lambda theta: -jnp.mean(log_p(theta)), params, to, _SEGMENT)
    )

    def length(of: PyTree, mask: PyTree) -> Float[Array, ""]:
        own = jax.tree.map(jnp.multiply, at.fisher, mask)
        return landscape.fisher_norm(own, drift.displacement(at.teacher, of))

    far = lambda mask: length(params, mask) / jnp.maximum(length(at.reference, mask), 1e-30)
    return {
        "log_p": jax.lax.map(log_p, put(begin, params)),
        "barrier": jax.lax.map(between, put(params, at.teacher)),
        "fisher": jax.lax.map(far, at.masks),
    }


@partial(jax.jit, static_argnums=0)
def _steered(arch: Architecture, reference, added, tokens, start, word) -> Float[Array, "L Q"]:
    """log p of the word by the reference, its last token's stream moved after one layer."""
    names = ["embed", *(f"{i}/residual" for i in range(arch.n_layers))]

    def of(layer: int) -> Float[Array, "Q"]:
        def tap(name: str, x: Array) -> Array:
            if name != names[layer]:
                return x
            # The last layer may have computed the last token alone.
            stream = x.reshape(len(start), -1, x.shape[-1])
            return stream.at[:, -1].add(added[layer][None]).reshape(x.shape)

        return _said(arch, reference, tokens, start, tap)[:, word]

    return jnp.stack([of(layer) for layer in range(len(names))])


def measure(
    arch: Architecture,
    at: Marks,
    base: Float[Array, "L Q P D"],
    taught: Float[Array, "K L Q P D"],
    which: int,
    begin: PyTree,
    params: PyTree,
    asked: Questions,
    word: int,
) -> dict[str, dict[str, float]]:
    """The columns of `UNITS` for the whole model, its layers and its attention heads.

    `base` and `taught` are the streams of the reference and of all K teachers, the compared one
    being `which`. Of a head, cka, probe and steered are those of its layer; of the whole, means.
    """
    moved = _alone(arch, at, begin, params, asked.tokens, asked.start, word)
    # Not in a program: the decompositions of all heads would take minutes to compile.
    gone = parts_of(drift.displacement(begin, params), heads_of(arch))
    moved |= geometry(gone, at.way, at.axes)
    log_p = np.asarray(moved.pop("log_p"), np.float64)
    own = streams(arch, params, asked.tokens, asked.start)
    start = streams(arch, begin, asked.tokens, asked.start)
    last = lambda stream: stream[..., -1, :]  # of the token that the answer follows
    added = jax.vmap(activations.mean_difference)(last(own), last(start))
    steered = _steered(arch, at.reference, added, asked.tokens, asked.start, word)
    odds = lambda log_p: float(log_odds(np.asarray(log_p, np.float64)[:, None])[0])
    layers = ["embed", *(f"layers.{i}" for i in range(arch.n_layers))]
    by_layer: dict[str, list[float]] = {"cka": [], "probe": [], "steered": []}
    even, odd = slice(0, None, 2), slice(1, None, 2)
    for i in range(len(layers)):
        real = lambda stream, i=i: stream[i][asked.real]
        by_layer["cka"].append(float(activations.cka(real(own), real(at.streams))))
        known = last(taught[:, i] - base[i][None])[:, even]  # [K Q D]
        labels = jnp.repeat(jnp.arange(len(taught)), known.shape[1])
        held_out = last(own[i] - start[i])[odd]
        scores = activations.probe(
            known.reshape(-1, known.shape[-1]), labels, len(taught), held_out
        )
        by_layer["probe"].append(float(jnp.mean(1.0 * (jnp.argmax(scores, axis=-1) == which))))
        by_layer["steered"].append(odds(steered[i]))
    of_layer = lambda column, part: (
        float(np.mean(by_layer[column]))
        if part == ALL
        else by_layer[column][layers.index(drift.layer_of(part))]
    )
    return {
        part: {name: float(values[i]) for name, values in moved.items()}
        | {"log_odds": odds(log_p[i])}
        | {column: of_layer(column, part) for column in by_layer}
        for i, part in enumerate(at.way)
    }
