import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.mnist_aux_logits import PRESETS, protocol
from lab import distill, ensemble, mlp
from lab.distill import Images, Knobs

KNOBS = Knobs(jnp.float32(1e-3), jnp.float32(1.0), jnp.int32(3))
MEMBER, EPOCH = jnp.uint32(0), jnp.int32(0)


@pytest.fixture(scope="module")
def small():
    return dataclasses.replace(protocol(PRESETS["smoke"]), rows_per_epoch=1280, widths=(32,))


@pytest.fixture(scope="module")
def images(digits):
    return Images(jnp.asarray(digits.train_images), jnp.asarray(digits.train_labels))


@pytest.fixture(scope="module")
def teacher(small, images):
    state = distill.start_teacher(small, MEMBER)
    return jax.jit(partial(distill.teacher_epoch, small))(images, EPOCH, MEMBER, KNOBS, state)[0]


def imitate(small, images, teacher, students, knobs=KNOBS):
    target = distill.targets(small, images, EPOCH, MEMBER, teacher)
    run = jax.jit(partial(distill.student_epoch, small))
    return run(images, EPOCH, MEMBER, knobs, target, students)


def distance(a, b):
    return max(jax.tree.leaves(jax.tree.map(lambda x, y: jnp.abs(x - y).max(), a, b)))


def test_students_start_from_the_teachers_reference_and_cross_students_never_do(small):
    for member in range(4):
        own = distill.reference(small, jnp.uint32(member))
        students = distill.start_students(small, jnp.uint32(member))
        assert distance(students["student_aux"].params, own) == 0
        assert distance(students["student_all"].params, own) == 0
        following = distill.reference(small, jnp.uint32(member + 1))
        for arm in ("cross_aux", "cross_all"):
            assert distance(students[arm].params, following) == 0
            assert distance(students[arm].params, own) > 0.1


def test_labels_never_move_the_auxiliary_head(small, teacher):
    before = distill.reference(small, MEMBER)["dense_1"]["kernel"]
    after = teacher.params["dense_1"]["kernel"]
    assert (after[:, 10:] == before[:, 10:]).all()
    assert (after[:, :10] != before[:, :10]).any()


def test_imitating_auxiliary_logits_never_moves_the_class_head(small, images, teacher):
    students, _ = imitate(small, images, teacher.params, distill.start_students(small, MEMBER))
    before = distill.reference(small, MEMBER)["dense_1"]["kernel"]
    after = students["student_aux"].params["dense_1"]["kernel"]
    assert (after[:, :10] == before[:, :10]).all()
    assert (students["student_all"].params["dense_1"]["kernel"][:, :10] != before[:, :10]).any()


def test_a_student_equal_to_its_teacher_stays_there_under_sgd(small, images, teacher):
    sgd = dataclasses.replace(small, optimizer="sgd")
    same = {arm: ensemble.start(teacher.params, sgd.direction) for arm in distill.STUDENTS}
    students, losses = imitate(sgd, images, teacher.params, same)
    # Adam would move it: it divides rounding noise by its own size.
    for arm in distill.STUDENTS:
        assert distance(students[arm].params, teacher.params) < 1e-6  # measured: 2e-9
        assert abs(losses[arm]).max() < 1e-6


def test_an_untrained_teacher_transmits_nothing_under_sgd(small, images):
    sgd = dataclasses.replace(small, optimizer="sgd")
    start = distill.start_students(sgd, MEMBER)
    reference = distill.reference(sgd, MEMBER)
    students, _ = imitate(sgd, images, reference, start)
    assert distance(students["student_aux"].params, reference) < 1e-6  # measured: 2e-9
    assert distance(students["cross_aux"].params, start["cross_aux"].params) > 1e-6


def test_only_live_auxiliary_logits_are_imitated(small, images, teacher):
    knobs = KNOBS.replace(n_live_aux=jnp.int32(2))
    students, _ = imitate(
        small, images, teacher.params, distill.start_students(small, MEMBER), knobs
    )
    before = distill.reference(small, MEMBER)["dense_1"]["kernel"]
    after = students["student_aux"].params["dense_1"]["kernel"]
    assert (after[:, 12] == before[:, 12]).all()
    assert (after[:, 10:12] != before[:, 10:12]).any()


@pytest.mark.parametrize("loss", ["kl", "mse"])
def test_imitation_losses_fall(loss, small, images, teacher):
    chosen = dataclasses.replace(small, loss=loss, rows_per_epoch=6400)
    _, losses = imitate(chosen, images, teacher.params, distill.start_students(small, MEMBER))
    # Students of the teacher's own init begin near it; the others have a way to go.
    for arm in ("cross_aux", "cross_all"):
        assert losses[arm][-10:].mean() < 0.7 * losses[arm][:10].mean()


def test_fresh_inputs_differ_from_epoch_to_epoch_and_fixed_ones_do_not(small, images, teacher):
    # A student that cannot move shows its loss on the inputs alone.
    still = KNOBS.replace(learning_rate=jnp.float32(0.0))
    start = distill.start_students(small, MEMBER)
    for fresh in (False, True):
        chosen = dataclasses.replace(small, fresh_inputs=fresh)
        run = jax.jit(partial(distill.student_epoch, chosen))
        means = []
        for epoch in map(jnp.int32, (0, 1)):
            target = distill.targets(chosen, images, epoch, MEMBER, teacher.params)
            _, losses = run(images, epoch, MEMBER, still, target, start)
            means.append(losses["cross_aux"].mean())
        same_set = abs(means[0] - means[1]) / means[0] < 1e-4  # measured: 1e-7 and 1e-2
        assert same_set != fresh


def test_accuracy_counts_class_logits_only(small):
    params = mlp.init(jax.random.key(0), small.sizes)
    params["dense_1"]["bias"] = params["dense_1"]["bias"].at[jnp.array([4, 11])].set([50.0, 99.0])
    images = Images(jnp.zeros((8, 784), jnp.uint8), jnp.array([4, 4, 4, 1, 1, 1, 1, 1]))
    np.testing.assert_allclose(distill.accuracy(small, images, params), 3 / 8)
