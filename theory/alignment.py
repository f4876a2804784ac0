"""Along real training: does imitation keep pulling toward the trait, and does that pull matter?

At every step of a student's training, the cosine of two gradients: of its imitation loss on noise,
and of the trait loss, cross-entropy of the class logits on labelled images that the student never
learns from. And students whose gradient loses its component along the trait's, or as much of a
random direction. Both losses share the hidden layers alone (a student of auxiliary logits never
moves its class head), so components are taken there.
Source: arXiv 2604.25779; the liminal schedule, a pull back to the initialisation that fades,
openreview aslS4eRygE.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Integer, Key, PyTree

from lab import devices, ensemble, losses, rng, tree
from lab.ensemble import over_members
from lab.errors import LabError
from lab.mnist import arms, epochs, protocol, train
from lab.mnist.inputs import pixels
from lab.mnist.protocol import Arm, Batch, Images, Protocol
from lab.runs.cells import Cell, Job
from theory import gradients


class Measured(NamedTuple):
    """Every step of one arm, before it is taken."""

    cosine: Any  # of the two gradients, all parameters
    cosine_hidden: Any  # the same, hidden layers
    trait_loss: Any  # nats per image
    accuracy: Any  # fraction of the batch of images


UNITS = {
    "cosine": "all parameters",
    "cosine_hidden": "hidden layers",
    "positive": "fraction of steps",
    "trait_loss": "nats",
    "accuracy": "fraction",
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
    chosen: Protocol, train: Images, epoch: Integer[Array, ""], member: Integer[Array, ""]
) -> Callable:
    """What a step measures before it is taken, and the trait's gradient for the arms."""
    stream = lambda name: rng.member(chosen.seed, member, name)
    n_rows, n_steps = chosen.rows_per_epoch, chosen.n_steps(chosen.student)
    rows, counts = ensemble.epoch_rows(
        stream("trait/order"), epoch, len(train.labels), n_rows, chosen.student.batch
    )

    def look(at: Integer[Array, ""], params: PyTree, g_S: PyTree) -> tuple[dict, Measured]:
        seen, labels = pixels(train.pixels[rows[at]]), train.labels[rows[at]]

        def trait(params):
            logits = chosen.logits(params, seen)[:, : chosen.net.n_classes]
            right = 1.0 * (jnp.argmax(logits, axis=-1) == labels)
            loss = ensemble.mean_over(losses.cross_entropy(logits, labels), counts[at])
            return loss, ensemble.mean_over(right, counts[at])

        (loss, accuracy), g_T = jax.value_and_grad(trait, has_aux=True)(params)
        measured = Measured(
            cosine=gradients.cosine(g_S, g_T),
            cosine_hidden=gradients.cosine(hidden(g_S), hidden(g_T)),
            trait_loss=loss,
            accuracy=accuracy,
        )
        key = jax.random.fold_in(stream("random direction"), epoch * n_steps + at)
        return {"trait": g_T, "key": key}, measured

    return look


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


def rows(job: Job, cells: list[Cell], liminal_start: float, every: int) -> list[dict]:
    """What every step of every arm measures, as means over windows of `every` steps.

    Raises `LabError` if a mean is not finite.
    """
    chosen = job.config
    programs, epoch, arms = _programs(chosen, liminal_start)
    group = np.array([cell.member for cell in job.filled(cells)], np.uint32)
    values = train.knobs(chosen, len(group))
    images = Images(job.data.train_images, job.data.train_labels)
    found = []
    with devices.matmul_precision(chosen.precision):
        teacher = programs.start_teacher(group)
        for e in range(chosen.teacher.epochs):
            teacher, _ = programs.teacher_epoch(images, np.int32(e), group, values, teacher)
        states = programs.start_students(images, group, values)
        targets = None
        for e in range(chosen.student.epochs):
            if targets is None or chosen.fresh_inputs:
                targets = programs.targets(images, np.int32(e), group, teacher.params)
            states, measured = epoch(images, np.int32(e), group, values, targets, states)
            found.append(devices.gather(measured))
            job.advance(f"members {group[0]}-{group[-1]}", len(cells) / chosen.student.epochs)
    whole = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *found)
    return [
        row
        for i, cell in enumerate(cells)
        for arm in arms  # a tree's own order is alphabetical
        for row in _windows({"arm": arm, **cell.columns}, tree.at(whole[arm], i), every)
    ]


@lru_cache(maxsize=1)
def _programs(chosen: Protocol, liminal_start: float) -> tuple[train.Programs, Callable, list]:
    six, mesh = students(liminal_start, chosen.student.epochs), devices.mesh()
    told = lambda images, *args: epochs.student_epoch(
        chosen, six, images, *args, probe=partial(probe, chosen, images)
    )
    return train.Programs(chosen, six, mesh), over_members(told, mesh, 2, (5,)), list(six)


def _windows(place: dict, of: Measured, every: int) -> list[dict]:
    found = []
    for first in range(0, len(of.cosine), every):
        window = slice(first, first + every)
        means = {k: float(np.mean(v[window])) for k, v in of._asdict().items()}
        if not all(map(np.isfinite, means.values())):
            raise LabError(
                f"learning_rate: the training of {place['arm']} is no longer finite for member "
                f"{place['member']}; use a smaller --student.learning-rate"
            )
        means["positive"] = float(np.mean(of.cosine[window] > 0))
        found.append(place | {"step": first + len(of.cosine[window])} | means)
    return found
