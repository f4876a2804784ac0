"""Coverage: whether a student's first update already points where its teacher went.

Coverage is the cosine of the student's first update and the teacher's displacement from its
initialisation. The theorem makes it positive for a small gradient step from a shared start; here it
is asked to predict how much of the trait has passed at the end of training, over pairs that differ
in everything. Source: arXiv 2606.22019, section 3.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Integer, PyTree

from lab import distill, ensemble
from lab.distill import Images, Knobs, Protocol
from theory import gradients


@struct.dataclass
class Pair:
    """What differs between teacher/student pairs within one program."""

    knobs: PyTree  # Knobs
    mixture: PyTree  # float32 in [0, 1], part of another initialisation in the student's
    teacher_epochs: PyTree  # int32
    student_epochs: PyTree  # int32


@struct.dataclass
class Outcome:
    """A pair before and after training."""

    coverage: PyTree  # cosine, of the first update that the student takes
    coverage_gradient: PyTree  # cosine, of its first gradient
    start: PyTree  # accuracy of the student before training
    teacher: PyTree  # accuracy
    student: PyTree  # accuracy


def draw(
    seed: int,
    members: Integer[np.ndarray, "E"],
    n_aux: int,
    most_epochs: tuple[int, int],
    learning_rates: tuple[float, float],
) -> Pair:
    """Random pairs, each a function of its member number.

    Learning rates are log-uniform, epochs from 1, live auxiliary logits from 2 (the softmax of one
    says nothing). A quarter of the students share the teacher's start, a quarter have another, the
    rest a mixture of both.
    """
    random = [np.random.default_rng([seed, int(member)]).uniform(size=5) for member in members]
    u = np.array(random)
    low, high = np.log(learning_rates)
    up_to = lambda u, most: (1 + np.floor(u * most)).astype(np.int32)
    return Pair(
        knobs=Knobs(
            learning_rate=np.exp(low + u[:, 0] * (high - low)).astype(np.float32),
            temperature=np.ones(len(members), np.float32),
            n_live_aux=1 + up_to(u[:, 1], n_aux - 1),
        ),
        mixture=np.clip(2 * u[:, 2] - 0.5, 0, 1).astype(np.float32),
        teacher_epochs=up_to(u[:, 3], most_epochs[0]),
        student_epochs=up_to(u[:, 4], most_epochs[1]),
    )


def mix(a: PyTree, b: PyTree, part: Float[Array, ""]) -> PyTree:
    """sqrt(1 - part^2) a + part b: again an initialisation, if a and b are independent ones."""
    return jax.tree.map(lambda x, y: jnp.sqrt(1 - part**2) * x + part * y, a, b)


def outcome(
    protocol: Protocol, train: Images, test: Images, member: Integer[Array, ""], pair: Pair
) -> Outcome:
    """Coverage before, accuracies after, for one pair; the student imitates auxiliary logits."""
    knobs = pair.knobs
    reference = distill.reference(protocol, member)
    teacher = jax.lax.fori_loop(
        0,
        pair.teacher_epochs,
        lambda e, state: distill.teacher_epoch(protocol, train, e, member, knobs, state)[0],
        ensemble.start(reference, protocol.direction),
    ).params
    start = mix(reference, distill.reference(protocol, member + 1), pair.mixture)
    target = distill.targets(protocol, train, jnp.int32(0), member, teacher)
    students = jax.lax.fori_loop(
        0,
        pair.student_epochs,
        lambda e, s: distill.student_epoch(protocol, train, e, member, knobs, target, s)[0],
        {"student_aux": ensemble.start(start, protocol.direction)},
    )
    gradient = first_gradient(protocol, train, member, knobs, teacher, start)
    update, _ = protocol.direction.update(gradient, protocol.direction.init(start), start)
    displacement = jax.tree.map(jnp.subtract, teacher, reference)
    along = lambda tree: -gradients.cosine(tree, displacement)  # updates are subtracted
    accuracy = lambda params: distill.accuracy(protocol, test, params)
    return Outcome(
        coverage=along(update),
        coverage_gradient=along(gradient),
        start=accuracy(start),
        teacher=accuracy(teacher),
        student=accuracy(students["student_aux"].params),
    )


def first_gradient(
    protocol: Protocol,
    train: Images,
    member: Integer[Array, ""],
    knobs: Knobs,
    teacher: PyTree,
    start: PyTree,
) -> PyTree:
    """Gradient of the imitation loss on the first batch of the member's inputs."""
    x = distill.inputs(protocol, train, 0, member, jnp.arange(protocol.batch))
    target = protocol.logits(teacher, x)
    where = distill.imitated(protocol, knobs, "aux")
    loss = lambda params: jnp.mean(
        distill.imitation(protocol, knobs, target, protocol.logits(params, x), where)
    )
    return jax.grad(loss)(start)
