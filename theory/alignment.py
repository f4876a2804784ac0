"""Along real training: does imitation keep pulling toward the trait, and does that pull matter?

At every step of a student's training, the cosine of two gradients: of its imitation loss on noise,
and of the trait loss, cross-entropy of the class logits on labelled images that the student never
learns from. And students whose gradient loses its component along the trait's, or as much of a
random direction. Both losses share the hidden layers alone (a student of auxiliary logits never
moves its class head), so components are taken there.
Source: arXiv 2604.25779; the liminal schedule, a pull back to the initialisation that fades,
openreview aslS4eRygE.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Integer, Key, PyTree

from lab import distill, ensemble, losses, rng
from lab.distill import Images, Knobs, Protocol
from lab.ensemble import State
from lab.inputs import pixels
from theory import gradients

# What is done to the gradient of a student, and which reference it starts from (0: the teacher's).
ARMS = {
    "imitation": ("nothing", 0),
    "aligned part removed": ("aligned", 0),
    "random part removed": ("random", 0),
    "aligned update removed": ("update", 0),
    "liminal": ("liminal", 0),
    "other init": ("nothing", 1),
}


class Measured(NamedTuple):
    """Every step of one arm, before it is taken."""

    cosine: Any  # of the two gradients, all parameters
    cosine_hidden: Any  # the same, hidden layers
    trait_loss: Any  # nats per image
    accuracy: Any  # fraction of the batch of images


def start(protocol: Protocol, member: Integer[Array, ""]) -> dict[str, State]:
    """The students before training."""
    return {
        arm: ensemble.start(distill.reference(protocol, member + shift), protocol.direction)
        for arm, (_, shift) in ARMS.items()
    }


def epoch(
    protocol: Protocol,
    liminal: tuple[float, int],
    train: Images,
    number: Integer[Array, ""],
    member: Integer[Array, ""],
    knobs: Knobs,
    teacher: PyTree,
    students: dict[str, State],
) -> tuple[dict[str, State], dict[str, Measured]]:
    """One epoch of all students of one teacher, and what every step measured, [S].

    `liminal` is the weight that the pull back starts from, and the number of epochs.
    """
    stream = lambda name: rng.member(protocol.seed, member, name)
    n_rows = protocol.rows_per_epoch
    noise = ensemble.epoch_rows(stream("student/order"), number, n_rows, n_rows, protocol.batch)
    images = ensemble.epoch_rows(
        stream("trait/order"), number, len(train.labels), n_rows, protocol.batch
    )
    base = distill.reference(protocol, member)
    where = distill.imitated(protocol, knobs, "aux")
    n_steps = len(noise[0])

    def step(students, batch):
        (rows, counts), (image_rows, image_counts), at = batch
        x = distill.inputs(protocol, train, number, member, rows)
        target, before = protocol.logits(teacher, x), protocol.logits(base, x)
        seen, labels = pixels(train.pixels[image_rows]), train.labels[image_rows]
        time = number + at / n_steps
        pull_back = back(time, liminal[0], liminal[1])

        def imitation(params, treatment):
            logits = protocol.logits(params, x)
            values = distill.imitation(protocol, knobs, target, logits, where)
            if treatment == "liminal":
                values = values + pull_back * losses.kl_divergence(before, logits, where)
            return ensemble.mean_over(values, counts)

        def trait(params):
            logits = protocol.logits(params, seen)[:, : protocol.n_classes]
            right = 1.0 * (jnp.argmax(logits, axis=-1) == labels)
            loss = ensemble.mean_over(losses.cross_entropy(logits, labels), image_counts)
            return loss, ensemble.mean_over(right, image_counts)

        after, measured = {}, {}
        for arm, state in students.items():
            treatment = ARMS[arm][0]
            (loss, accuracy), g_T = jax.value_and_grad(trait, has_aux=True)(state.params)
            g_S = jax.grad(imitation)(state.params, treatment)
            measured[arm] = Measured(
                cosine=gradients.cosine(g_S, g_T),
                cosine_hidden=gradients.cosine(hidden(g_S), hidden(g_T)),
                trait_loss=loss,
                accuracy=accuracy,
            )
            key = jax.random.fold_in(stream("random direction"), number * n_steps + at)
            after[arm] = _step(state, g_S, g_T, treatment, key, protocol, knobs)
        return after, measured

    return jax.lax.scan(step, students, (noise, images, jnp.arange(n_steps)))


def _step(
    state: State,
    g_S: PyTree,
    g_T: PyTree,
    treatment: str,
    key: Key[Array, ""],
    protocol: Protocol,
    knobs: Knobs,
) -> State:
    if treatment == "aligned":
        g_S = without(g_S, g_T)
    elif treatment == "random":
        g_S = without_random(g_S, g_T, key)
    direction, opt_state = protocol.direction.update(g_S, state.opt_state, state.params)
    if treatment == "update":
        direction = without(direction, g_T)
    params = optax.tree.add_scale(state.params, -knobs.learning_rate, direction)
    return State(params, opt_state, state.step + 1)


def back(time: Float[Array, ""], first: float, n_epochs: int) -> Float[Array, ""]:
    """Weight of the liminal pull at a time in epochs: `first` to 1 in one epoch, then down to 0."""
    down = (n_epochs - time) / max(n_epochs - 1, 1)
    return jnp.where(time < 1, first + (1 - first) * time, jnp.clip(down, 0, 1))


def hidden(tree: PyTree) -> PyTree:
    """The layers before the head."""
    return {f"dense_{i}": tree[f"dense_{i}"] for i in range(len(tree) - 1)}


def without(tree: PyTree, along: PyTree) -> PyTree:
    """`tree` without its component along `along`, in the hidden layers."""
    part, direction = hidden(tree), hidden(along)
    length = gradients.norm(direction)
    scale = gradients.dot(part, direction) / jnp.maximum(length, 1e-30) ** 2
    return {**tree, **optax.tree.add_scale(part, -scale, direction)}


def without_random(tree: PyTree, along: PyTree, key: Key[Array, ""]) -> PyTree:
    """`tree` less a random direction as long as the component that `without` would remove."""
    part, direction = hidden(tree), hidden(along)
    random = optax.tree.random_like(key, part, jax.random.normal)
    size = gradients.dot(part, direction) / jnp.maximum(gradients.norm(direction), 1e-30)
    return {**tree, **optax.tree.add_scale(part, -size / gradients.norm(random), random)}
