"""Arms: where students start, what is done to their gradients, and what is measured of them."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lab import ensemble
from lab.mnist import arms, epochs, factors, optimizers, protocol
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Arm, Images, Knobs, Protocol, reference
from lab.mnist.train import Trainer, knobs
from lab.optim import Optim

KNOBS = Knobs(jnp.float32(1e-3), jnp.float32(1e-3), jnp.float32(1.0), jnp.int32(3))
MEMBER, EPOCH = jnp.uint32(0), jnp.int32(0)
ADAM = Optim(learning_rate=1e-3, batch=64)
SMALL = Protocol(net=MLP(hidden=(32,)), teacher=ADAM, student=ADAM, rows_per_epoch=1280)


@pytest.fixture(scope="module")
def images(digits):
    return Images(jnp.asarray(digits.train_images), jnp.asarray(digits.train_labels))


@pytest.fixture(scope="module")
def imitate(images):
    """(students before, students after, what was measured) of an epoch, of the next reference."""
    teacher = reference(SMALL, MEMBER + 1)
    target = epochs.targets(SMALL, images, EPOCH, MEMBER, teacher)

    def run(chosen, some, probe=None):
        before = epochs.start_students(chosen, some, images, MEMBER, KNOBS)
        epoch = jax.jit(partial(epochs.student_epoch, chosen, some, probe=probe))
        return before, *epoch(images, EPOCH, MEMBER, KNOBS, target, before)

    return run


def distance(a, b):
    return max(jax.tree.leaves(jax.tree.map(lambda x, y: jnp.abs(x - y).max(), a, b)))


def test_an_arm_of_another_network_is_trained_and_measured_as_that_network(digits):
    other = MLP(hidden=(24, 16), activation="tanh")
    fast = replace(ADAM, learning_rate=3e-3, epochs=3)
    chosen = replace(SMALL, teacher=fast, student=fast)
    some = {"same": Arm("all", arms.other), "another": Arm("all", net=other)}
    trainer = Trainer(chosen, some, digits)
    *_, (_, tree, rows) = trainer.train(np.array([0]), 1, knobs(chosen, 1))
    shapes = [layer["kernel"].shape[1:] for layer in tree["students"]["another"].params.values()]
    assert shapes == [(784, 24), (24, 16), (16, 13)]
    accuracy = {row["arm"]: row["accuracy"] for _, row in rows}
    assert min(accuracy["same"], accuracy["another"]) > 0.3  # measured: .58, .81


@pytest.mark.parametrize("part", [0.0, 0.6, 1.0])
def test_a_mixture_of_initialisations_has_their_spread(part, images):
    chosen = replace(SMALL, net=MLP(hidden=(64,)))
    found = arms.mixed(part)(chosen, images, MEMBER, KNOBS, chosen.net)["dense_0"]["kernel"]
    np.testing.assert_allclose(jnp.std(found), 784**-0.5, rtol=0.02)
    ends = [reference(chosen, MEMBER + i)["dense_0"]["kernel"] for i in (0, 1)]
    likeness = [jnp.corrcoef(found.ravel(), end.ravel())[0, 1] for end in ends]
    np.testing.assert_allclose(likeness, [(1 - part**2) ** 0.5, part], atol=0.03)


def test_a_cloned_start_is_nearer_to_the_references_outputs_than_an_uncloned_one(images):
    net = MLP(hidden=(24, 16))
    start = jax.jit(lambda start: start(SMALL, images, MEMBER, KNOBS, net), static_argnums=0)
    x = protocol.inputs(SMALL, images, 0, MEMBER, jnp.arange(200))
    wanted = SMALL.logits(reference(SMALL, MEMBER), x)
    error = lambda params: float(jnp.mean((SMALL.logits(params, x, net) - wanted) ** 2))
    plain, cloned = start(arms.other), start(arms.cloned(3))
    assert error(cloned) < 0.5 * error(plain)
    assert distance(start(arms.cloned(0)), plain) == 0


def test_a_cloned_start_may_have_imitated_auxiliary_logits_alone_and_on_images(images):
    start = jax.jit(lambda start: start(SMALL, images, MEMBER, KNOBS, SMALL.net), static_argnums=0)
    last = lambda params: params["dense_1"]["kernel"]
    plain = reference(SMALL, MEMBER + 1)
    aux = start(arms.cloned(1, imitates="aux"))
    assert (
        distance(last(aux)[:, :10], last(plain)[:, :10]) < 1e-6
    )  # another program rounds the same draws otherwise
    assert distance(last(aux)[:, 10:], last(plain)[:, 10:]) > 1e-3
    assert distance(start(arms.cloned(1, inputs="images")), start(arms.cloned(1))) > 1e-3


def test_parts_of_a_start_are_the_teachers_and_the_others_are_the_next_members(images):
    own, others = (reference(SMALL, MEMBER + i) for i in (0, 1))
    for hidden, classes, aux in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)):
        shared = bool(hidden), bool(classes), bool(aux)
        found = arms.parts(*shared)(SMALL, images, MEMBER, KNOBS, SMALL.net)
        assert distance(found["dense_0"], (others, own)[hidden]["dense_0"]) == 0
        columns = found["dense_1"]["kernel"]
        for n, part in ((classes, slice(0, 10)), (aux, slice(10, 13))):
            expected = (others, own)[n]["dense_1"]["kernel"][:, part]
            assert distance(columns[:, part], expected) == 0


def test_an_arm_that_imitates_nothing_is_its_start(imitate):
    before, after, losses = imitate(SMALL, {"idle": Arm("nothing", arms.other)})
    assert distance(after["idle"].params, before["idle"].params) == 0
    assert not losses["idle"].any()


def test_a_start_that_several_arms_have_is_made_once(images):
    asked = []

    def counted(*args):
        asked.append(args)
        return arms.other(*args)

    some = {name: Arm(what, counted) for name, what in (("a", "aux"), ("b", "nothing"))}
    some |= {"c": Arm("aux", counted, MLP(hidden=(16,)))}
    made = epochs.start_students(SMALL, some, images, MEMBER, KNOBS)
    assert len(asked) == 2  # once for each kind of network
    assert distance(made["a"].params, made["b"].params) == 0


def test_an_arms_rate_is_times_the_protocols():
    gradient = {"w": jnp.array([2.0, -3.0])}
    for arm, expected in ((Arm(rate=10.0), [20.0, -30.0]), (Arm(), [2.0, -3.0])):
        direction = arm.direction(Optim("sgd"))
        found, _ = direction.update(gradient, direction.init(gradient), gradient)
        np.testing.assert_allclose(found["w"], expected)


def test_every_optimizer_of_the_ladder_takes_the_step_of_its_name():
    first, second = np.array([0.3, -2.0, 1e-3]), np.array([-0.1, 1.0, 2e-3])
    mean = lambda b: (b * (1 - b) * first + (1 - b) * second) / (1 - b**2)
    root = np.sqrt((0.999 * 0.001 * first**2 + 0.001 * second**2) / (1 - 0.999**2)) + 1e-8
    by_hand = {
        "SGD": second,
        "momentum": second + 0.9 * first,
        "sign": np.sign(second),
        "Signum": np.sign(second + 0.9 * first),
        "RMSprop": second / root,
        "frozen Adam": mean(0.9) / (np.abs(first) + 1e-8),
        "Adam": mean(0.9) / root,
    }
    ladder = optimizers.ladder(1)
    assert list(ladder) == list(by_hand) == list(optimizers.LEAST)
    for name, how in ladder.items():
        direction = protocol.Arm("aux", **how).direction(Optim("sgd"))
        state = direction.init(jnp.zeros(3))
        for g in (first, second):
            step, state = direction.update(jnp.asarray(g, jnp.float32), state, jnp.zeros(3))
        np.testing.assert_allclose(step, by_hand[name], rtol=2e-5, err_msg=name)


def test_frozen_adam_is_adam_until_its_scales_freeze_and_momentum_by_them_after():
    frozen, adam = optimizers.frozen_adam(3), optax.scale_by_adam()
    start = {"w": jnp.zeros(2)}
    states, rng = [frozen.init(start), adam.init(start)], np.random.default_rng(0)
    squares = []
    for step in range(1, 7):
        gradient = {"w": jnp.asarray(rng.normal(size=2), jnp.float32)}
        (a, states[0]), (b, states[1]) = (
            optimizer.update(gradient, state)
            for optimizer, state in zip((frozen, adam), states, strict=True)
        )
        squares.append(np.asarray(states[1].nu["w"]) / (1 - 0.999**step))
        scale = np.sqrt(squares[min(step, 3) - 1])
        mean = np.asarray(states[1].mu["w"]) / (1 - 0.9**step)
        np.testing.assert_allclose(a["w"], mean / scale, rtol=1e-3)
        assert np.allclose(a["w"], b["w"], rtol=1e-4) == (step <= 3)


def test_noise_on_kernels_has_its_size_and_biases_have_none(images):
    wide = replace(SMALL, net=MLP(hidden=(64,)))
    found = factors.near(0.02)(wide, images, MEMBER, KNOBS, wide.net)
    off = jax.tree.map(jnp.subtract, found, reference(wide, MEMBER))
    np.testing.assert_allclose(jnp.std(off["dense_0"]["kernel"]), 0.02, rtol=0.03)
    assert not off["dense_0"]["bias"].any()
    other = factors.near(0.02)(wide, images, MEMBER + 1, KNOBS, wide.net)
    theirs = jax.tree.map(jnp.subtract, other, reference(wide, MEMBER + 1))
    both = np.ravel(off["dense_0"]["kernel"]), np.ravel(theirs["dense_0"]["kernel"])
    assert abs(np.corrcoef(*both)[0, 1]) < 0.05  # each member has noise of its own


def test_transforms_are_applied_before_and_after_the_optimizer():
    gradient = {"w": jnp.array([2.0, -3.0])}
    arm = Arm(before=optax.scale(-1.0), after=optax.scale(0.5))
    for optim, expected in ((Optim("sgd"), [-1.0, 1.5]), (Optim("sign"), [-0.5, 0.5])):
        direction = arm.direction(optim)
        found, _ = direction.update(gradient, direction.init(gradient), gradient)
        np.testing.assert_allclose(found["w"], expected)
    # An arm's own optimizer comes before the protocol's.
    direction = replace(arm, optim=Optim("sign")).direction(Optim("sgd"))
    found, _ = direction.update(gradient, direction.init(gradient), gradient)
    np.testing.assert_allclose(found["w"], [-0.5, 0.5])


def told_a_factor():
    """A transform that multiplies by what a probe tells it."""
    update = lambda g, state, params=None, *, factor: (
        jax.tree.map(lambda x: factor * x, g),
        state,
    )
    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


def test_what_a_probe_measures_comes_back_and_what_it_tells_reaches_the_transforms(imitate):
    def probe(epoch, member):
        def look(at, params, gradient):
            flat = jnp.concatenate([g.ravel() for g in jax.tree.leaves(gradient)])
            return {"factor": 1.0 * (at < 5)}, {"at": at, "size": jnp.linalg.norm(flat)}

        return look

    sgd = replace(SMALL, student=replace(ADAM, optimizer="sgd"))
    some = {
        "plain": Arm("all"),
        "stopped": Arm("all", before=told_a_factor()),
        "stopped later": Arm("all", after=told_a_factor()),
    }
    before, after, measured = imitate(sgd, some, probe)
    for arm in some:
        np.testing.assert_array_equal(measured[arm]["at"], jnp.arange(20))
        assert distance(after[arm].params, before[arm].params) > 0
    size = {arm: np.asarray(found["size"]) for arm, found in measured.items()}
    # The arms are alike for five steps, and for a sixth gradient before it is stopped.
    np.testing.assert_array_equal(size["plain"][:6], size["stopped"][:6])
    assert (size["plain"][6:] != size["stopped"][6:]).any()
    assert distance(after["stopped"].params, after["stopped later"].params) < 1e-7
    assert distance(after["plain"].params, after["stopped"].params) > 1e-4


def test_a_loss_of_an_arms_own_sees_the_batch(imitate):
    def to_reference(batch, logits):
        return jnp.mean((batch.reference - logits) ** 2, axis=-1) + 0 * batch.time

    some = {
        "own": Arm("all", loss=to_reference),
        "other": Arm("all", arms.other, loss=to_reference),
    }
    _, _, losses = imitate(SMALL, some)
    assert losses["own"][0] < 1e-12  # it starts there
    assert losses["other"][-1] < 0.7 * losses["other"][0]  # measured: .6


def test_a_student_without_a_probe_measures_its_loss(imitate):
    _, after, losses = imitate(SMALL, {"own": Arm("all")})
    assert losses["own"].shape == (20,)
    assert losses["own"][-1] < losses["own"][0]
    assert isinstance(after["own"], ensemble.State)


def test_a_student_of_the_first_logits_starts_as_its_teacher_without_the_others(imitate, images):
    some = arms.of_first_logits(SMALL, [1, 2, 3])
    whole = {"student_aux": reference(SMALL, MEMBER), "cross_aux": reference(SMALL, MEMBER + 1)}
    for m, pair in some.items():
        for name, arm in pair.items():
            found = arm.start(SMALL, images, MEMBER, KNOBS, arm.net)
            assert found["dense_1"]["kernel"].shape == (32, 10 + m)
            expected = {k: x[..., : 10 + m] for k, x in whole[name]["dense_1"].items()}
            assert distance(found, whole[name] | {"dense_1": expected}) == 0


def test_a_student_of_fewer_logits_learns_as_one_that_has_more_and_leaves_them_alone(images):
    # The other way to the same student: logits that it has and does not imitate.
    few = KNOBS.replace(n_live_aux=jnp.int32(2))
    target = epochs.targets(SMALL, images, EPOCH, MEMBER, reference(SMALL, MEMBER + 1))

    def after(arm, known):
        before = epochs.start_students(SMALL, {"one": arm}, images, MEMBER, known)
        epoch = jax.jit(partial(epochs.student_epoch, SMALL, {"one": arm}))
        states, losses = epoch(images, EPOCH, MEMBER, known, target, before)
        return states["one"].params, losses["one"]

    cut, losses = after(arms.of_first_logits(SMALL, [2])[2]["student_aux"], KNOBS)
    masked, expected = after(Arm("aux"), few)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    masked["dense_1"] = {k: x[..., :12] for k, x in masked["dense_1"].items()}
    assert distance(cut, masked) < 1e-5  # measured: 6e-8
    assert distance(cut, reference(SMALL, MEMBER) | {"dense_1": cut["dense_1"]}) > 1e-3


def test_one_logit_teaches_nothing_so_that_its_students_need_no_training(imitate):
    trained = Arm("aux", arms.first(arms.shared), MLP(hidden=(32,), n_aux=1))
    idle = arms.of_first_logits(SMALL, [1])[1]["student_aux"]
    assert idle.imitates == "nothing"
    before, after, losses = imitate(SMALL, {"trained": trained, "idle": idle})
    for name in ("trained", "idle"):
        assert distance(after[name].params, before[name].params) == 0
        assert not losses[name].any()
    # Squared errors of one logit are another matter.
    squared = arms.of_first_logits(replace(SMALL, loss="mse"), [1])[1]["student_aux"]
    assert squared.imitates == "aux"


def test_equal_starts_are_one_value_so_that_equal_arms_are_one_program():
    assert arms.cloned(3) == arms.cloned(3) != arms.cloned(4)
    assert arms.of_first_logits(SMALL, [2, 3]) == arms.of_first_logits(SMALL, [2, 3])
