"""Along real training: does imitation keep pulling toward the trait, and does that pull matter?

At every step of a student's training, the cosine of two gradients: of its imitation loss on noise,
and of the trait loss, cross-entropy of the class logits on labelled images that the student never
learns from. And students whose gradient loses its component along the trait's, or as much of a
random direction. Both losses share the hidden layers alone (a student of auxiliary logits never
moves its class head), so components are taken there. The noise of a batch adds to the length of a
gradient and to nothing else, so that cosines are also measured now and then on more rows.
Source: arXiv 2604.25779 (which removes the component only where it is positive); the liminal
schedule, a pull back to the initialisation that fades, openreview aslS4eRygE.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Integer, Key, PyTree

from lab import devices, ensemble, hosts, losses, rng, tree
from lab.ensemble import over_members
from lab.errors import LabError
from lab.mnist import arms, epochs, protocol, train
from lab.mnist.inputs import pixels
from lab.mnist.protocol import Arm, Batch, Images, Knobs, Protocol
from lab.runs.cells import Cell, Job
from theory import gradients


class Measured(NamedTuple):
    """Every step of one arm, before it is taken."""

    cosine: Any  # of the two gradients of a batch, all parameters
    cosine_hidden: Any  # the same, hidden layers
    cosine_first: Any  # the same, first layer
    large: Any  # of both gradients on many rows, at the first step of a window
    large_hidden: Any  # the same, hidden layers
    large_first: Any  # the same, first layer
    trait_loss: Any  # nats per image
    accuracy: Any  # fraction of the batch of images


Three = tuple[Any, Any, Any]  # cosines by layers, in the order of LAYERS
LAYERS = {"": "all parameters", "_hidden": "hidden layers", "_first": "first layer"}
UNITS = {
    **{f"{of}{end}": layers for of in ("cosine", "large") for end, layers in LAYERS.items()},
    "positive": "fraction of steps",
    "trait_loss": "nats",
    "accuracy": "fraction of training images",
    "before": "fraction of test images, untrained student",
    "after": "fraction of test images, after training",
}


def students(liminal_start: float, n_epochs: int) -> dict[str, Arm]:
    """The arms: what is done to a student's gradient, to its update, or to its loss."""

    def liminal(batch: Batch, logits: Float[Array, "B O"]) -> Float[Array, "B"]:
        pull = back(batch.time, liminal_start, n_epochs)
        to_reference = losses.kl_divergence(batch.reference, logits, batch.where)
        return protocol.imitation(batch, logits) + pull * to_reference

    aligned = _transform(lambda g, trait, key: without(g, trait))
    return {
        "imitation": Arm("aux"),
        "aligned part removed": Arm("aux", before=aligned),
        "random part removed": Arm("aux", before=_transform(without_random)),
        "aligned update removed": Arm("aux", after=aligned),
        "liminal": Arm("aux", loss=liminal),
        "other init": Arm("aux", arms.other),
    }


def _transform(fn: Callable) -> optax.GradientTransformationExtraArgs:
    """A stateless transform that is told the trait's gradient and a key."""
    update = lambda updates, state, params=None, **told: (
        fn(updates, told["trait"], told["key"]),
        state,
    )
    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


def probe(
    chosen: Protocol,
    train: Images,
    every: int,
    n_large: int,
    knobs: Knobs,
    target: Float[Array, "N O"],
    epoch: Integer[Array, ""],
    member: Integer[Array, ""],
) -> Callable:
    """What a step measures before it is taken, and the trait's gradient for the arms.

    The first of `every` steps measures plain imitation's gradient and the trait's on `n_large` rows
    each as well; at other steps those cosines are 0.
    """
    stream = lambda name: rng.member(chosen.seed, member, name)
    n_rows, n_steps = chosen.rows_per_epoch, chosen.n_steps(chosen.student)
    rows, counts = ensemble.epoch_rows(
        stream("trait/order"), epoch, len(train.labels), n_rows, chosen.student.batch
    )
    many = jnp.arange(min(n_large, n_rows, len(train.labels)))
    where = protocol.imitated(chosen.net, knobs, "aux")

    def trait(params, images, counts):
        x, labels = pixels(train.pixels[images]), train.labels[images]
        logits = chosen.logits(params, x)[:, : chosen.net.n_classes]
        right = 1.0 * (jnp.argmax(logits, axis=-1) == labels)
        loss = ensemble.mean_over(losses.cross_entropy(logits, labels), counts)
        return loss, ensemble.mean_over(right, counts)

    def imitation(params):
        x = protocol.inputs(chosen, train, epoch, member, many)
        batch = Batch(chosen, knobs, x, target[many], None, where, 0.0)
        return jnp.mean(protocol.imitation(batch, chosen.logits(params, x)))

    def large(params) -> Three:
        g_T, _ = jax.grad(trait, has_aux=True)(params, many, jnp.ones(len(many), bool))
        return _cosines(jax.grad(imitation)(params), g_T)

    def look(at: Integer[Array, ""], params: PyTree, g_S: PyTree) -> tuple[dict, Measured]:
        step = epoch * n_steps + at
        (loss, accuracy), g_T = jax.value_and_grad(trait, has_aux=True)(
            params, rows[at], counts[at]
        )
        # Not of the member, so that a step without it does not pay for it.
        now = step % every == 0
        on_many: Three = jax.lax.cond(now, large, lambda params: (jnp.float32(0),) * 3, params)
        measured = Measured(*_cosines(g_S, g_T), *on_many, loss, accuracy)
        key = jax.random.fold_in(stream("random direction"), step)
        return {"trait": g_T, "key": key}, measured

    return look


def _cosines(a: PyTree, b: PyTree) -> Three:
    cosine = gradients.cosine
    return cosine(a, b), cosine(hidden(a), hidden(b)), cosine(a["dense_0"], b["dense_0"])


def back(time: Float[Array, ""], first: float, n_epochs: int) -> Float[Array, ""]:
    """Weight of the liminal pull at a time in epochs: `first` to 1 in one epoch, then down to 0."""
    down = (n_epochs - time) / max(n_epochs - 1, 1)
    return jnp.where(time < 1, first + (1 - first) * time, jnp.clip(down, 0, 1))


def hidden(params: PyTree) -> PyTree:
    """The layers before the head."""
    return {f"dense_{i}": params[f"dense_{i}"] for i in range(len(params) - 1)}


def without(g: PyTree, along: PyTree) -> PyTree:
    """`g` without its component along `along`, in the hidden layers."""
    part, direction = hidden(g), hidden(along)
    length = gradients.norm(direction)
    scale = gradients.dot(part, direction) / jnp.maximum(length, 1e-30) ** 2
    return {**g, **optax.tree.add_scale(part, -scale, direction)}


def without_random(g: PyTree, along: PyTree, key: Key[Array, ""]) -> PyTree:
    """`g` less a random direction as long as the component that `without` would remove."""
    part, direction = hidden(g), hidden(along)
    random = optax.tree.random_like(key, part, jax.random.normal)
    size = gradients.dot(part, direction) / jnp.maximum(gradients.norm(direction), 1e-30)
    return {**g, **optax.tree.add_scale(part, -size / gradients.norm(random), random)}


def rows(job: Job, cells: list[Cell], liminal_start: float, every: int, n_large: int) -> list[dict]:
    """What every step of every arm measures, as means over windows of `every` steps.

    Raises `LabError` if a mean is not finite.
    """
    chosen, data = job.config, job.data
    programs, epoch, arms = _programs(chosen, liminal_start, every, n_large)
    group = np.array([cell.member for cell in job.filled(cells)], np.uint32)
    values = train.knobs(chosen, len(group))
    images = Images(data.train_images, data.train_labels)
    test = Images(data.test_images, data.test_labels)
    right = lambda state: hosts.gather(programs.accuracy[chosen.net](test, state.params))
    found = []
    with devices.matmul_precision(chosen.precision):
        teacher = programs.taught(images, group, values)
        states = programs.start_students(images, group, values)
        before = {arm: right(states[arm]) for arm in arms}
        targets = None
        for e in range(chosen.student.epochs):
            if targets is None or chosen.fresh_inputs:
                targets = programs.targets(images, np.int32(e), group, teacher)
            states, measured = epoch(images, np.int32(e), group, values, targets, states)
            found.append(hosts.gather(measured))
            job.advance(f"members {group[0]}-{group[-1]}", len(cells) / chosen.student.epochs)
        programs.require_finite({arm: states[arm].params for arm in arms}, group)
        after = {arm: right(states[arm]) for arm in arms}
    whole = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *found)
    ends = lambda arm, i: {"before": float(before[arm][i]), "after": float(after[arm][i])}
    return [
        row | ends(arm, i)
        for i, cell in enumerate(cells)
        for arm in arms  # a tree's own order is alphabetical
        for row in _windows({"arm": arm, **cell.columns}, tree.at(whole[arm], i), every)
    ]


@lru_cache(maxsize=1)
def _programs(
    chosen: Protocol, liminal_start: float, every: int, n_large: int
) -> tuple[train.Programs, Callable, list]:
    six, mesh = students(liminal_start, chosen.student.epochs), devices.mesh()

    def told(images, epoch, member, knobs, target, states):
        look = partial(probe, chosen, images, every, n_large, knobs, target)
        args = (epoch, member, knobs, target, states)
        return epochs.student_epoch(chosen, six, images, *args, probe=look)

    return train.Programs(chosen, six, mesh), over_members(told, mesh, 2, (5,)), list(six)


def _windows(place: dict, of: Measured, every: int) -> list[dict]:
    found = []
    for first in range(0, len(of.cosine), every):
        window = slice(first, first + every)
        means = {k: float(np.mean(v[window])) for k, v in of._asdict().items()}
        means |= {k: float(v[first]) for k, v in of._asdict().items() if k.startswith("large")}
        if not all(map(np.isfinite, means.values())):
            raise LabError(
                f"student.learning_rate: the training of {place['arm']} is no longer finite for "
                f"member {place['member']}; use a smaller one, or a larger eps"
            )
        means["positive"] = float(np.mean(of.cosine[window] > 0))
        found.append(place | {"step": first + len(of.cosine[window])} | means)
    return found
