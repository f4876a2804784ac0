"""What is removed from a gradient is gone, and the smoke preset measures every arm."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.gradient_alignment import EXPERIMENT, PRESETS
from lab import ensemble
from lab.errors import LabError
from lab.mnist import arms, epochs, mlp, protocol, train
from lab.mnist.inputs import pixels
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Batch, Images
from lab.optim import Optim
from lab.runs import claims, results
from lab.runs.experiment import Options
from tests import process
from tests.plain import cosine, divergence, flat
from theory import alignment, alignment_claims, gradients

SIZES = (6, 5, 4)
ONCE = Optim(learning_rate=1e-3, batch=64)
TINY = replace(
    PRESETS["smoke"],
    members="2",
    net=MLP(hidden=(16,)),
    dataset="digits",
    rows_per_epoch=640,
    teacher=ONCE,
    student=replace(ONCE, epochs=2),
    every=1,
    large=96,
)
ARMS = alignment.students(TINY.liminal_start, TINY.student.epochs)


@pytest.fixture(scope="module")
def trees():
    a, b = (mlp.init(jax.random.key(i), SIZES) for i in (0, 1))
    return a, jax.tree.map(lambda x, y: x + 2 * y, a, b)


def test_the_aligned_part_is_removed_from_the_hidden_layers_and_nothing_else(trees):
    a, b = trees
    found = alignment.without(a, b)
    hidden = alignment.hidden
    assert abs(gradients.dot(hidden(found), hidden(b))) < 1e-4
    np.testing.assert_array_equal(found["dense_1"]["kernel"], a["dense_1"]["kernel"])
    # Pythagoras: what is left and what was removed are orthogonal.
    removed = jax.tree.map(jnp.subtract, a, found)
    total = gradients.norm(found) ** 2 + gradients.norm(removed) ** 2
    np.testing.assert_allclose(total, gradients.norm(a) ** 2, rtol=1e-5)


def test_the_random_part_is_as_long_as_the_aligned_one_and_points_elsewhere(trees):
    a, b = trees
    aligned = jax.tree.map(jnp.subtract, a, alignment.without(a, b))
    random = jax.tree.map(jnp.subtract, a, alignment.without_random(a, b, jax.random.key(7)))
    np.testing.assert_allclose(gradients.norm(random), gradients.norm(aligned), rtol=1e-5)
    assert abs(gradients.cosine(random, aligned)) < 0.6


def test_what_each_arm_does_to_a_gradient_an_update_or_a_loss(trees):
    g, trait = trees
    told = {"trait": trait, "key": jax.random.key(7)}
    expected = {
        "imitation": (None, None),
        "aligned part removed": (alignment.without(g, trait), None),
        "random part removed": (alignment.without_random(g, trait, told["key"]), None),
        "aligned update removed": (None, alignment.without(g, trait)),
        "liminal": (None, None),
        "other init": (None, None),
    }
    assert list(ARMS) == list(expected)
    for name, transformed in expected.items():
        arm = ARMS[name]
        assert arm.imitates == "aux" and (arm.start is arms.other) == (name == "other init")
        assert (arm.loss is None) == (name != "liminal")
        for transform, value in zip((arm.before, arm.after), transformed, strict=True):
            assert (transform is None) == (value is None)
            if transform is not None:
                found, _ = transform.update(g, transform.init(g), g, **told)
                jax.tree.map(np.testing.assert_array_equal, found, value)


def test_the_liminal_loss_is_imitation_and_a_pull_to_the_reference_on_the_same_logits():
    logits, target, reference = jax.random.normal(jax.random.key(0), (3, 7, 13))
    knobs = jax.tree.map(lambda x: jnp.asarray(x[0]), train.knobs(TINY, 1))
    where = protocol.imitated(MLP(), knobs, "aux")
    at = jnp.float32(0.25)
    batch = Batch(TINY, knobs, jnp.zeros((7, 784)), target, reference, where, at)
    from_aux = lambda teacher: divergence(teacher[:, 10:], logits[:, 10:])
    pull = TINY.liminal_start + (1 - TINY.liminal_start) * 0.25
    by_hand = from_aux(target) + pull * from_aux(reference)
    np.testing.assert_allclose(ARMS["liminal"].loss(batch, logits), by_hand, rtol=1e-4)


def test_a_window_has_its_means_the_first_steps_many_rows_and_the_steps_that_end_it():
    steps = np.arange(5.0)
    of = alignment.Measured(*(scale * (steps - 1) for scale in range(1, 9)))
    found = alignment._windows({"arm": "a", "member": 3}, of, 2)
    assert [row["step"] for row in found] == [2, 4, 5]
    for row, mean, first, positive in zip(
        found, (-0.5, 1.5, 3.0), (-1, 1, 3), (0.0, 1.0, 1.0), strict=True
    ):
        assert (row["cosine"], row["cosine_hidden"], row["cosine_first"]) == tuple(
            scale * mean for scale in (1, 2, 3)
        )
        assert (row["large"], row["large_hidden"], row["large_first"]) == tuple(
            scale * first for scale in (4, 5, 6)
        )
        assert (row["trait_loss"], row["accuracy"]) == (7 * mean, 8 * mean)
        assert row["positive"] == positive


def test_a_probe_holds_the_imitation_against_the_class_loss_of_labelled_images(digits):
    images = Images(jnp.asarray(digits.train_images), jnp.asarray(digits.train_labels))
    chosen, member = replace(TINY, net=MLP(hidden=(8, 6))), jnp.uint32(2)
    knobs = jax.tree.map(lambda x: jnp.asarray(x[0]), train.knobs(chosen, 1))
    teacher, params = (protocol.reference(chosen, jnp.uint32(i)) for i in (7, 2))
    target = epochs.targets(chosen, images, jnp.int32(0), member, teacher)
    args = (chosen, images, 2, 96, knobs, target, jnp.int32(0), member)
    look = jax.jit(alignment.probe(*args))

    def trait(p, some):
        logits = chosen.logits(p, pixels(images.pixels[some]))[:, :10]
        log_p = jax.nn.log_softmax(logits)[jnp.arange(len(some)), images.labels[some]]
        return -jnp.mean(log_p)

    def imitation(p):
        x = protocol.inputs(chosen, images, 0, member, jnp.arange(96))
        return jnp.mean(divergence(*(chosen.logits(q, x)[:, 10:] for q in (teacher, p))))

    parts = (
        lambda t: t,
        lambda t: {k: t[k] for k in ("dense_0", "dense_1")},
        lambda t: t["dense_0"],
    )
    slope = jax.jit(jax.grad(trait))
    both = jax.jit(jax.grad(imitation))(params), slope(params, jnp.arange(96))
    g_S = jax.tree.map(lambda x, y: x + 2 * y, params, teacher)  # of a batch: anything
    told, first = look(jnp.int32(0), params, g_S)
    stream = alignment.rng.member(chosen.seed, member, "trait/order")
    rows, _ = ensemble.epoch_rows(
        stream, jnp.int32(0), len(images.labels), chosen.rows_per_epoch, chosen.student.batch
    )
    g_T = slope(params, rows[0])
    assert float(first.trait_loss) == pytest.approx(float(trait(params, rows[0])), rel=1e-5)
    right = jnp.argmax(chosen.logits(params, pixels(images.pixels[rows[0]]))[:, :10], axis=1)
    assert float(first.accuracy) == pytest.approx(float(jnp.mean(right == images.labels[rows[0]])))
    np.testing.assert_allclose(flat(told["trait"]), flat(g_T), atol=1e-6)
    for i, part in enumerate(parts):
        assert float(first[i]) == pytest.approx(cosine(part(g_S), part(g_T)), abs=1e-5)
        assert float(first[3 + i]) == pytest.approx(cosine(*map(part, both)), abs=1e-5)
    assert len({round(float(x), 4) for x in first[:6]}) == 6
    _, second = look(jnp.int32(1), params, g_S)
    assert [float(x) for x in second[3:6]] == [0, 0, 0]  # the second of two steps
    assert float(second.trait_loss) == pytest.approx(float(trait(params, rows[1])), rel=1e-5)


def test_the_liminal_pull_rises_for_an_epoch_and_fades_to_nothing():
    at = lambda time: float(alignment.back(jnp.float32(time), 0.1, 5))
    np.testing.assert_allclose([at(t) for t in (0, 0.5, 1, 3, 5)], [0.1, 0.55, 1, 0.5, 0], 1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return process.run_in(tmp_path_factory.mktemp("runs"), EXPERIMENT, TINY)


def test_every_arm_is_measured_along_all_of_training(folder):
    table = results.read_table(folder / "table.csv")
    for arm in ARMS:
        for member in (0, 1):
            steps = table["step"][(table["arm"] == arm) & (table["member"] == member)]
            assert steps.tolist() == list(range(1, 21))
    assert all(np.isfinite(table[value]).all() for value in EXPERIMENT.units)
    assert (np.abs(table["cosine"]) <= np.abs(table["cosine_hidden"]) + 1e-6).all()


def test_arms_of_one_start_agree_before_their_first_step_and_not_after(folder):
    table = results.read_table(folder / "table.csv")
    at = lambda arm, i: table["trait_loss"][(table["arm"] == arm) & (table["member"] == 0)][i]
    for arm in ARMS:
        assert (at(arm, 0) == at("imitation", 0)) == (arm != "other init")
        assert (at(arm, 2) == at("imitation", 2)) == (arm == "imitation")


def test_accuracies_before_training_are_those_of_untrained_references(folder, digits):
    table = results.read_table(folder / "table.csv")
    test = Images(jnp.asarray(digits.test_images), jnp.asarray(digits.test_labels))
    untrained = [
        float(epochs.accuracy(TINY, test, protocol.reference(TINY, jnp.uint32(i))))
        for i in range(3)
    ]
    for arm in ARMS:
        for member in (0, 1):
            own = results.only(table, (table["arm"] == arm) & (table["member"] == member))
            start = untrained[member + (arm == "other init")]
            assert own["before"] == pytest.approx(start, abs=1e-6)
            assert len(set(own["after"])) == 1
    assert len(set(untrained)) == 3


def test_the_figure_is_drawn_from_the_table_alone_and_the_same_each_time(folder, tmp_path):
    assert process.drawn_again(folder, EXPERIMENT, tmp_path)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda: {"every": 0}, "every"),
        (lambda: {"large": 0}, "large"),
        (lambda: {"liminal_start": -1.0}, "liminal_start"),
        (lambda: {"net": MLP(n_aux=0)}, "n_aux"),
    ],
)
def test_impossible_settings_are_refused_by_name(change, field):
    with pytest.raises(LabError, match=f"{field}: "):
        EXPERIMENT.prepare(replace(TINY, **change()), Options())


def test_what_every_arm_costs_is_said_as_a_part_of_plain_imitations_gain(folder):
    found = claims.of_record(results.read_record(folder / "run.json"))
    table = results.read_table(folder / "table.csv")
    at = lambda arm, value: np.mean([*results.last(table, arm, value).values()])
    gain = at("imitation", "after") - at("imitation", "before")
    for arm in list(ARMS)[1:]:
        lost = found[f"{arm}: part of the gain lost"].mean
        expected = (at("imitation", "after") - at(arm, "after")) / gain
        np.testing.assert_allclose(lost, expected, atol=1e-9)
    np.testing.assert_allclose(found["untrained student"].mean, at("imitation", "before"))
    assert "chance" in found["imitation: after training"].null


def synthetic(after: dict[str, float], n: int = 12) -> dict:
    """A table of one step whose arms end at these accuracies, from .1, give or take .01."""
    rng = np.random.default_rng(0)
    member = np.repeat(np.arange(n), len(after))
    luck = np.repeat(rng.normal(size=n) * 0.01, len(after))
    columns = {name: 0.01 * rng.normal(size=len(member)) for name in EXPERIMENT.units}
    return columns | {
        "arm": np.tile([*after], n),
        "member": member,
        "step": np.ones(len(member), int),
        "before": np.full(len(member), 0.1),
        "after": np.tile([*after.values()], n) + luck + 0.001 * rng.normal(size=len(member)),
    }


def said(table: dict) -> dict:
    config = {"student": {"batch": 64}, "large": 128, "rows_per_epoch": 640}
    return {c.text: c for c in alignment_claims.claims(table, {"config": config})}


LOST = "aligned part removed: part of the gain lost"


def test_an_aligned_part_counts_only_beyond_a_random_part():
    ends = dict.fromkeys(ARMS, 0.3) | {"other init": 0.1}
    causal = said(synthetic(ends | {"aligned part removed": 0.2}))
    # Half of a gain of .2, whatever the accuracy.
    np.testing.assert_allclose(causal[LOST].mean, 0.5, atol=0.01)
    assert causal[LOST].verdict == "holds"
    assert causal["random part removed: part of the gain lost"].verdict == "holds"
    rather = "aligned part removed rather than a random one: part of the gain lost"
    assert causal[rather].verdict == "holds"
    any_part = said(synthetic(ends | {"aligned part removed": 0.2, "random part removed": 0.2}))
    assert any_part[LOST].verdict != "holds"
    assert any_part[rather].verdict == "not"
    assert any_part["random part removed: part of the gain lost"].verdict == "not"


def test_at_the_first_step_many_rows_see_one_gradient_for_all_arms_of_one_start(folder):
    table = results.read_table(folder / "table.csv")
    of = lambda arm, name: table[name][(table["arm"] == arm) & (table["member"] == 0)]
    for name in ("large", "large_hidden", "large_first"):
        first = {arm: of(arm, name)[0] for arm in ARMS}
        for arm in ("aligned part removed", "random part removed", "liminal"):
            np.testing.assert_allclose(first[arm], first["imitation"], rtol=1e-4)
        assert first["other init"] != first["imitation"]
        assert (of("imitation", name) != 0).all()  # every step of TINY is the first of its window
    for name in ("cosine", "cosine_hidden"):
        assert not np.allclose(
            of("imitation", name), of("imitation", name.replace("cosine", "large"))
        )


def test_every_definition_of_the_cosine_is_held_against_the_published_number(folder):
    found = claims.of_record(results.read_record(folder / "run.json"))
    some = [c for c in found.values() if c.group == "cosine by definition"]
    assert len(some) == 2 * 3 * 2
    assert all(c.published.startswith("0.008") and "other init" in c.null for c in some)
    table = results.read_table(folder / "table.csv")
    _, values = results.curves(table, "imitation", "step", "large_first")
    expected = values[:, :10].mean()  # 640 rows in batches of 64
    c = found["cosine of first layer, 96 rows, first epoch"]
    np.testing.assert_allclose(c.mean, expected)
