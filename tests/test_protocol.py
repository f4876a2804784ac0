from dataclasses import replace
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab import ensemble, rng
from lab import losses as lab_losses
from lab.errors import LabError
from lab.mnist import epochs, protocol
from lab.mnist.arms import STUDENTS
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Images, Knobs, Protocol, reference
from lab.optim import Optim

KNOBS = Knobs(jnp.float32(1e-3), jnp.float32(1e-3), jnp.float32(1.0), jnp.int32(3))
MEMBER, EPOCH = jnp.uint32(0), jnp.int32(0)


@pytest.fixture(scope="module")
def small():
    adam = Optim(learning_rate=1e-3, batch=64)
    return Protocol(net=MLP(hidden=(32,)), teacher=adam, student=adam, rows_per_epoch=1280)


@pytest.fixture(scope="module")
def sgd(small):
    return replace(small, student=replace(small.student, optimizer="sgd"))


@pytest.fixture(scope="module")
def images(digits):
    return Images(jnp.asarray(digits.train_images), jnp.asarray(digits.train_labels))


@pytest.fixture(scope="module")
def teacher(small, images):
    state = epochs.start_teacher(small, MEMBER)
    return jax.jit(partial(epochs.teacher_epoch, small))(images, EPOCH, MEMBER, KNOBS, state)[0]


@pytest.fixture(scope="module")
def start(small, images):
    return lambda chosen=small, member=MEMBER: epochs.start_students(
        chosen, STUDENTS, images, member, KNOBS
    )


@lru_cache
def program(chosen):
    return jax.jit(partial(epochs.student_epoch, chosen, STUDENTS))


def imitate(chosen, images, teacher, students, knobs=KNOBS):
    target = epochs.targets(chosen, images, EPOCH, MEMBER, teacher)
    return program(chosen)(images, EPOCH, MEMBER, knobs, target, students)


def distance(a, b):
    return max(jax.tree.leaves(jax.tree.map(lambda x, y: jnp.abs(x - y).max(), a, b)))


def test_students_start_from_the_teachers_reference_and_cross_students_never_do(small, start):
    for member in range(4):
        own = reference(small, jnp.uint32(member))
        students = start(member=jnp.uint32(member))
        assert distance(students["student_aux"].params, own) == 0
        assert distance(students["student_all"].params, own) == 0
        following = reference(small, jnp.uint32(member + 1))
        for arm in ("cross_aux", "cross_all"):
            assert distance(students[arm].params, following) == 0
            assert distance(students[arm].params, own) > 0.1


def test_labels_never_move_the_auxiliary_head(small, teacher):
    before = reference(small, MEMBER)["dense_1"]["kernel"]
    after = teacher.params["dense_1"]["kernel"]
    assert (after[:, 10:] == before[:, 10:]).all()
    assert (after[:, :10] != before[:, :10]).any()


def test_imitating_auxiliary_logits_never_moves_the_class_head(small, images, teacher, start):
    students, _ = imitate(small, images, teacher.params, start())
    before = reference(small, MEMBER)["dense_1"]["kernel"]
    after = students["student_aux"].params["dense_1"]["kernel"]
    assert (after[:, :10] == before[:, :10]).all()
    assert (students["student_all"].params["dense_1"]["kernel"][:, :10] != before[:, :10]).any()


def test_a_student_equal_to_its_teacher_stays_there_under_sgd(sgd, images, teacher):
    same = {arm: ensemble.start(teacher.params, sgd.student.direction) for arm in STUDENTS}
    students, losses = imitate(sgd, images, teacher.params, same)
    # Adam would move it: it divides rounding noise by its own size.
    for arm in STUDENTS:
        assert distance(students[arm].params, teacher.params) < 1e-6  # measured: 2e-9
        assert abs(losses[arm]).max() < 1e-6


def test_an_untrained_teacher_transmits_nothing_under_sgd(sgd, images, start):
    base, before = reference(sgd, MEMBER), start(sgd)
    students, _ = imitate(sgd, images, base, before)
    assert distance(students["student_aux"].params, base) < 1e-6  # measured: 2e-9
    assert distance(students["cross_aux"].params, before["cross_aux"].params) > 1e-6


def test_only_live_auxiliary_logits_are_imitated(small, images, teacher, start):
    knobs = KNOBS.replace(n_live_aux=jnp.int32(2))
    students, _ = imitate(small, images, teacher.params, start(), knobs)
    before = reference(small, MEMBER)["dense_1"]["kernel"]
    after = students["student_aux"].params["dense_1"]["kernel"]
    assert (after[:, 12] == before[:, 12]).all()
    assert (after[:, 10:12] != before[:, 10:12]).any()


@pytest.mark.parametrize("loss", ["kl", "mse"])
def test_imitation_losses_fall(loss, small, images, teacher, start):
    chosen = replace(small, loss=loss, rows_per_epoch=6400)
    _, losses = imitate(chosen, images, teacher.params, start())
    # Students of the teacher's own init begin near it; the others have a way to go.
    for arm in ("cross_aux", "cross_all"):
        assert losses[arm][-10:].mean() < 0.7 * losses[arm][:10].mean()


def test_fresh_inputs_differ_from_epoch_to_epoch_and_fixed_ones_do_not(
    small, images, teacher, start
):
    # A student that cannot move shows its loss on the inputs alone.
    still = KNOBS.replace(student_rate=jnp.float32(0.0))
    for fresh in (False, True):
        chosen = replace(small, fresh_inputs=fresh)
        means = []
        for epoch in map(jnp.int32, (0, 1)):
            target = epochs.targets(chosen, images, epoch, MEMBER, teacher.params)
            _, losses = program(chosen)(images, epoch, MEMBER, still, target, start())
            means.append(losses["cross_aux"].mean())
        same_set = abs(means[0] - means[1]) / means[0] < 1e-4  # measured: 1e-7 and 1e-2
        assert same_set != fresh


def test_accuracy_counts_class_logits_only(small):
    params = small.net.init(jax.random.key(0))
    params["dense_1"]["bias"] = params["dense_1"]["bias"].at[jnp.array([4, 11])].set([50.0, 99.0])
    images = Images(jnp.zeros((8, 784), jnp.uint8), jnp.array([4, 4, 4, 1, 1, 1, 1, 1]))
    np.testing.assert_allclose(epochs.accuracy(small, images, params), 3 / 8)


def test_teachers_and_students_take_steps_of_their_own_rate(small, images, start):
    still = KNOBS.replace(teacher_rate=jnp.float32(0.0))
    begun = epochs.start_teacher(small, MEMBER)
    run = jax.jit(partial(epochs.teacher_epoch, small))
    teacher, _ = run(images, EPOCH, MEMBER, still, begun)
    assert distance(teacher.params, begun.params) == 0
    students, _ = imitate(small, images, teacher.params, start(), still)
    assert distance(students["cross_aux"].params, start()["cross_aux"].params) > 0


@pytest.mark.parametrize("inputs", ["uniform", "images"])
def test_targets_are_the_teachers_logits_on_the_inputs_of_an_epoch(inputs, small, images, teacher):
    chosen = replace(small, inputs=inputs, rows_per_epoch=1000)  # no multiple of the batch
    found = epochs.targets(chosen, images, EPOCH, MEMBER, teacher.params)
    rows = jnp.array([0, 7, 999])
    x = protocol.inputs(chosen, images, EPOCH, MEMBER, rows)
    np.testing.assert_allclose(found[rows], chosen.logits(teacher.params, x), atol=1e-4)
    assert found.shape == (1000, 13)


@pytest.mark.parametrize("fresh", [False, True])
def test_members_have_inputs_of_their_own(fresh, small, images):
    chosen = replace(small, fresh_inputs=fresh)
    rows = jnp.arange(3)
    x = [
        protocol.inputs(chosen, images, epoch, jnp.uint32(member), rows)
        for member in (0, 1)
        for epoch in (0, 1)
    ]
    assert (x[0] == x[1]).all() != fresh  # the same in every epoch unless they are fresh
    assert (x[0] != x[2]).mean() > 0.99
    later = protocol.inputs(chosen, images, 0, jnp.uint32(0), rows + chosen.rows_per_epoch)
    assert (x[1] == later).all() == fresh


def test_each_member_has_orders_of_its_own_for_its_teacher_and_for_its_students(
    small, images, start, monkeypatch
):
    asked, own, order = [], rng.member, ensemble.epoch_rows
    named = lambda seed, member, name: asked.append((int(member), name)) or own(seed, member, name)
    monkeypatch.setattr(epochs.rng, "member", named)
    ordered = []
    kept = lambda key, *rest: ordered.append(key) or order(key, *rest)
    monkeypatch.setattr(epochs.ensemble, "epoch_rows", kept)
    few, begun = replace(small, rows_per_epoch=64), epochs.start_teacher(small, MEMBER)
    for member in (0, 1):
        number = jnp.uint32(member)
        epochs.teacher_epoch(few, images, EPOCH, number, KNOBS, begun)
        target = jnp.zeros((64, 13))
        epochs.student_epoch(few, STUDENTS, images, EPOCH, number, KNOBS, target, start())
        assert {(member, "teacher/order"), (member, "student/order")} <= set(asked)
    keys = [jax.random.key_data(key).tolist() for key in ordered]
    assert len(keys) == 4 and len({tuple(key) for key in keys}) == 4


@pytest.mark.parametrize("which", ["aux", "all"])
@pytest.mark.parametrize("loss", ["kl", "mse"])
def test_imitation_is_the_divergence_from_the_teacher_at_the_members_temperature(
    loss, which, small
):
    chosen = replace(small, loss=loss)
    knobs = KNOBS.replace(temperature=jnp.float32(2.0), n_live_aux=jnp.int32(2))
    teacher, student = np.random.default_rng(0).normal(size=(2, 4, 13)).astype(np.float32)
    chosen_logits = slice(10 if which == "aux" else 0, 12)  # of the three aux logits two are live
    where = protocol.imitated(small.net, knobs, which)
    assert np.flatnonzero(where).tolist() == [*range(13)][chosen_logits]
    batch = protocol.Batch(chosen, knobs, None, jnp.asarray(teacher), None, where, None)
    found = protocol.imitation(batch, jnp.asarray(student))
    a, b = (z[:, chosen_logits].astype(np.float64) for z in (teacher, student))
    log_p, log_q = (z / 2 - np.log(np.exp(z / 2).sum(axis=1, keepdims=True)) for z in (a, b))
    divergence = np.sum(np.exp(log_p) * (log_p - log_q), axis=1)
    expected = divergence if loss == "kl" else np.mean((a - b) ** 2, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_loss_of_a_student_is_on_the_targets_of_its_own_inputs(small, images, teacher, start):
    still = KNOBS.replace(student_rate=jnp.float32(0.0))
    target = epochs.targets(small, images, EPOCH, MEMBER, teacher.params)
    _, losses = program(small)(images, EPOCH, MEMBER, still, target, start())
    order = rng.member(small.seed, MEMBER, "student/order")
    rows, _ = ensemble.epoch_rows(order, EPOCH, 1280, 1280, 64)
    x = protocol.inputs(small, images, 0, MEMBER, rows[3])
    for arm, member in (("student_all", MEMBER), ("cross_aux", MEMBER + 1)):
        where = protocol.imitated(small.net, still, STUDENTS[arm].imitates)
        own = small.logits(reference(small, member), x)
        wanted = small.logits(teacher.params, x)
        expected = jnp.mean(lab_losses.kl_divergence(wanted, own, where))
        np.testing.assert_allclose(losses[arm][3], expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"seed": 2**32}, "seed"),
        ({"temperature": float("nan")}, "temperature"),
        ({"teacher": Optim(batch=1281)}, "teacher.batch"),
        ({"student": Optim(epochs=0)}, "student.epochs"),
    ],
)
def test_a_protocol_that_trains_nothing_is_refused_by_name(change, name, small):
    with pytest.raises(LabError, match=f"^{name}: "):
        replace(small, **change)
