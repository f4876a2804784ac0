"""Drift: displacements, spectra, barriers and activations whose answers are known by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.drift import activations, landscape, spectrum
from lab.drift import displacement as d
from lab.drift.geometry import UNITS, directions, geometry, parts_of


@pytest.fixture(autouse=True)
def exact():
    with jax.enable_x64(True):
        yield


def random(seed: int, *shape: int):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


def rotation(seed: int, n: int):
    return jnp.linalg.qr(random(seed, n, n))[0]


START = {"a": jnp.zeros((2, 2)), "b": {"c": jnp.ones(2)}}
TEACHER = {"a": jnp.array([[3.0, 0.0], [0.0, 0.0]]), "b": {"c": jnp.array([1.0, 5.0])}}
STUDENT = {"a": jnp.array([[1.0, 0.0], [0.0, 2.0]]), "b": {"c": jnp.array([1.0, 1.0])}}


def test_angles_and_lengths_of_displacements_are_those_by_hand():
    teacher, student = d.displacement(START, TEACHER), d.displacement(START, STUDENT)
    assert d.norm(teacher) == 5.0 and teacher["a"][0, 0] == 3.0  # 3 and 4
    assert d.dot(student, teacher) == 3.0
    assert d.cosine(student, teacher) == pytest.approx(3 / (5 * 5**0.5))
    assert d.projection(student, teacher) == pytest.approx(3 / 25)
    assert d.distance(student, teacher) == pytest.approx(24**0.5 / 5)  # (-2, 2, -4)
    assert d.projection(teacher, teacher) == 1.0 and d.distance(teacher, teacher) == 0.0


def test_no_displacement_has_no_direction_and_is_one_way_off():
    none = d.displacement(START, START)
    assert d.cosine(none, TEACHER) == d.projection(none, TEACHER) == 0.0
    assert d.distance(none, d.displacement(START, TEACHER)) == 1.0
    assert d.projection(TEACHER, none) == 0.0


def test_layers_hold_every_array_once_and_numbered_ones_stay_apart():
    layers = {"0": {"up": {"kernel": jnp.zeros(1)}}, "1": {"norm": jnp.zeros(2)}}
    found = d.by_layer({"embed": jnp.zeros(3), "layers": layers, "norm": jnp.zeros(4)})
    assert {layer: {path: x.size for path, x in part.items()} for layer, part in found.items()} == {
        "embed": {"embed": 3},
        "layers.0": {"layers.0.up.kernel": 1},
        "layers.1": {"layers.1.norm": 2},
        "norm": {"norm": 4},
    }


def test_heads_hold_their_own_columns_and_rows_and_all_of_a_projection_together():
    layer = {
        "query": {"kernel": random(0, 3, 8), "bias": random(1, 8)},
        "key": {"kernel": random(2, 3, 4)},
        "value": {"kernel": random(3, 3, 4)},
        "output": {"kernel": random(4, 8, 3), "bias": random(5, 3)},
        "up": {"kernel": random(6, 3, 5)},
    }
    heads = d.by_head({"embed": random(7, 2, 3), "layers": {"0": layer}}, d.Heads(4, 2))
    assert list(heads) == [f"layers.0.{h}" for h in
                           ("kv.0", "kv.1", "head.0", "head.1", "head.2", "head.3")]  # fmt: skip
    second = heads["layers.0.head.1"]
    np.testing.assert_array_equal(second["query.kernel"], layer["query"]["kernel"][:, 2:4])
    np.testing.assert_array_equal(second["query.bias"], layer["query"]["bias"][2:4])
    np.testing.assert_array_equal(second["output.kernel"], layer["output"]["kernel"][2:4])
    np.testing.assert_array_equal(
        heads["layers.0.kv.1"]["key.kernel"], layer["key"]["kernel"][:, 2:]
    )
    whole = {k: v for k, v in layer.items() if k != "up"} | {"output": layer["output"]["kernel"]}
    assert sum(d.norm(head) ** 2 for head in heads.values()) == pytest.approx(
        float(d.norm(whole) ** 2)
    )


def test_transplants_of_all_layers_together_are_the_whole_displacement():
    moved = [d.displacement(START, d.transplanted(START, STUDENT, x)) for x in ("a", "b")]
    np.testing.assert_array_equal(moved[0]["a"], STUDENT["a"])
    assert not moved[0]["b"]["c"].any() and not moved[1]["a"].any()
    assert d.norm(d.displacement(STUDENT, d.transplanted(START, STUDENT, d.ALL))) == 0.0


def test_a_transplanted_head_moves_its_own_arrays_and_no_others():
    layer = lambda seed: {
        "query": {"kernel": random(seed, 3, 4)},
        "key": {"kernel": random(seed + 1, 3, 2), "bias": random(seed + 2, 2)},
        "output": {"kernel": random(seed + 3, 4, 3), "bias": random(seed + 4, 3)},
    }
    heads = d.Heads(2, 1)
    start, end = ({"layers": {"0": layer(seed)}} for seed in (0, 10))
    for head in d.by_head(start, heads):
        moved = d.by_head(d.transplanted(start, end, head, heads), heads)
        for own, part in moved.items():
            source = d.by_head(end if own == head else start, heads)[own]
            jax.tree.map(np.testing.assert_array_equal, part, source)
    bias = d.transplanted(start, end, "layers.0.head.0", heads)["layers"]["0"]["output"]["bias"]
    np.testing.assert_array_equal(bias, start["layers"]["0"]["output"]["bias"])


def test_ranks_of_known_spectra():
    assert spectrum.stable_rank(jnp.array([2.0, 2.0, 2.0])) == 3.0
    assert spectrum.effective_rank(jnp.array([2.0, 2.0, 2.0])) == pytest.approx(3.0)
    assert spectrum.stable_rank(jnp.array([2.0, 1.0, 0.0])) == 1.25
    p = np.array([2, 1]) / 3
    entropy = -np.sum(p * np.log(p))
    assert spectrum.effective_rank(jnp.array([2.0, 1.0, 0.0])) == pytest.approx(np.exp(entropy))
    for rank in (spectrum.stable_rank, spectrum.effective_rank):
        assert rank(jnp.zeros(3)) == 0.0
        assert rank(5 * jnp.array([2.0, 1.0])) == pytest.approx(float(rank(jnp.array([2.0, 1.0]))))


def test_a_rotated_matrix_keeps_its_singular_values():
    a = random(0, 5, 3)
    np.testing.assert_allclose(
        spectrum.singular_values(rotation(1, 5) @ a @ rotation(2, 3)),
        spectrum.singular_values(a),
        rtol=1e-12,
    )


def test_principal_angles_of_known_planes():
    x, y, z = jnp.eye(3)
    angle = 0.3
    plane, turned = (
        jnp.stack([x, y], axis=1),
        jnp.stack([x, jnp.cos(angle) * y + jnp.sin(angle) * z], 1),
    )
    np.testing.assert_allclose(
        spectrum.principal_cosines(plane, turned), [1, np.cos(angle)], rtol=1e-12
    )
    assert spectrum.overlap(plane, turned) == pytest.approx((1 + np.cos(angle) ** 2) / 2)
    assert spectrum.overlap(plane, plane @ rotation(0, 2)) == pytest.approx(1.0)
    assert spectrum.overlap(x[:, None], z[:, None]) == 0.0


def test_the_geometry_of_parts_is_that_by_hand():
    short, long = jnp.eye(2), jnp.eye(3)
    teacher = {
        "dense_0": {"kernel": 3 * jnp.outer(short[0], long[0]), "bias": 4 * long[0]},
        "dense_1": {"kernel": 2 * jnp.outer(long[0], short[1])},
    }
    student = {  # of each matrix it has the same rows or the same columns, not both
        "dense_0": {"kernel": jnp.outer(short[0], long[1]), "bias": 2 * long[0]},
        "dense_1": {"kernel": jnp.diag(jnp.array([3.0, 1.0, 0.0]))[:, :2]},
    }
    way, moved = parts_of(teacher), parts_of(student)
    assert list(way) == ["all", "dense_0", "dense_1"]
    found = geometry(moved, way, directions(way, 1))
    ranks = [1.0, 10 / 9], [1.0, np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))]
    by_hand = {
        "cosine": [8 / (29**0.5 * 15**0.5), 8 / 25**0.5 / 5**0.5, 0.0],
        "distance": [(14 + 14) ** 0.5 / 29**0.5, 14**0.5 / 5, 14**0.5 / 2],
        "projection": [8 / 29, 8 / 25, 0.0],
        "stable_rank": [np.mean(ranks[0]), *ranks[0]],
        "effective_rank": [np.mean(ranks[1]), *ranks[1]],
        "overlap_left": [1.0, 1.0, 1.0],
        "overlap_right": [0.0, 0.0, 0.0],
    }
    assert list(found) == list(UNITS) == list(by_hand)
    for column, values in by_hand.items():
        np.testing.assert_allclose(found[column], values, atol=1e-12, err_msg=column)


def test_a_layer_without_a_matrix_is_of_the_whole_alone():
    parts = parts_of({"dense_0": {"kernel": jnp.ones((2, 2))}, "norm": {"scale": jnp.ones(2)}})
    assert {name: list(part) for name, part in parts.items()} == {
        "all": ["dense_0.kernel", "norm.scale"],
        "dense_0": ["dense_0.kernel"],
    }


def test_random_subspaces_overlap_by_their_part_of_the_space():
    found = [
        spectrum.overlap(*(jnp.linalg.qr(random(2 * i + j, 40, 4))[0] for j in (0, 1)))
        for i in range(50)
    ]
    assert np.mean(found) == pytest.approx(4 / 40, abs=0.02)


def test_the_leading_directions_are_those_of_the_largest_singular_values():
    left, right = rotation(0, 4), rotation(1, 3)
    matrix = left[:, :3] @ jnp.diag(jnp.array([1.0, 5.0, 3.0])) @ right.T
    values, u, v = spectrum.leading(matrix, 2)
    np.testing.assert_allclose(values, [5, 3, 1], rtol=1e-12)
    assert spectrum.overlap(u, left[:, 1:3]) == pytest.approx(1.0)
    assert spectrum.overlap(v, right[:, 1:3]) == pytest.approx(1.0)


def test_a_convex_loss_has_no_barrier_and_a_double_well_has_its_height():
    bowl = lambda p: jnp.sum((p["x"] - 0.3) ** 2)
    values = landscape.segment(bowl, {"x": jnp.array([-1.0, 2.0])}, {"x": jnp.array([2.0, 0.0])})
    assert values.shape == (11,) and landscape.barrier(values) < 0
    well = lambda p: (p["x"] ** 2 - 1) ** 2
    values = landscape.segment(well, {"x": jnp.float64(-1)}, {"x": jnp.float64(1)})
    assert landscape.barrier(values) == pytest.approx(1.0)


def test_a_straight_loss_has_no_barrier_whatever_its_slope():
    values = landscape.segment(lambda p: 7.0 * p, jnp.float64(1), jnp.float64(-2))
    assert landscape.barrier(values) == pytest.approx(0.0, abs=1e-12)


def test_the_fisher_of_a_softmax_is_that_by_hand():
    """Of logits themselves it is p (1 - p) on the diagonal; an input scales it by its square."""
    z = {"z": jnp.array([0.0, 1.0, -0.5])}
    x = jnp.tile(jnp.array([1.0, 2.0]), 4000)
    found = landscape.diagonal_fisher(lambda p, x: p["z"] * x, z, x, jax.random.key(0))["z"]
    expected = sum((p := jax.nn.softmax(z["z"] * s)) * (1 - p) * s**2 / 2 for s in (1, 2))
    np.testing.assert_allclose(found, expected, rtol=0.06)  # of 8,000 draws; measured: .02


def test_the_fisher_length_of_a_small_step_is_the_kl_it_makes():
    z, x = {"z": jnp.array([0.0, 1.0, -0.5])}, jnp.ones(20_000)
    fisher = landscape.diagonal_fisher(lambda p, x: p["z"] * x, z, x, jax.random.key(0))
    step = {"z": jnp.array([1e-2, 0.0, 0.0])}
    log_p, log_q = (jax.nn.log_softmax(z["z"] + part * step["z"]) for part in (0, 1))
    kl = jnp.sum(jnp.exp(log_p) * (log_p - log_q))
    assert landscape.fisher_norm(fisher, step) ** 2 / 2 == pytest.approx(float(kl), rel=0.04)  # .01
    assert landscape.fisher_norm(fisher, {"z": jnp.zeros(3)}) == 0.0


@pytest.mark.parametrize("n", [50, 4])  # more inputs than features, and fewer
def test_cka_does_not_change_with_rotation_scale_and_shift(n):
    x, y = random(0, n, 6), random(1, n, 5)
    known = float(activations.cka(x, y))
    assert 0 < known < 1
    assert activations.cka(3 * x @ rotation(2, 6) + 7, y) == pytest.approx(known)
    assert activations.cka(y, x) == pytest.approx(known)
    assert activations.cka(x, x @ rotation(3, 6) - 1) == pytest.approx(1.0)
    assert activations.cka(x, jnp.ones((n, 2))) == pytest.approx(0.0, abs=1e-9)


def test_cka_is_the_same_from_features_and_from_inputs():
    x, y = random(0, 6, 6), random(1, 6, 6)
    more = jnp.zeros((6, 1))  # one feature too many takes the way over inputs
    assert activations.cka(jnp.concatenate([x, more], 1), y) == pytest.approx(
        float(activations.cka(x, y))
    )


def test_cka_of_features_that_share_nothing_is_zero():
    x = jnp.array([[1.0], [-1.0], [1.0], [-1.0]])
    y = jnp.array([[1.0], [1.0], [-1.0], [-1.0]])
    assert activations.cka(x, y) == 0.0


def test_a_probe_reads_what_is_linear_and_guesses_what_is_not_there():
    x, held_out = random(0, 200, 5), random(1, 1000, 5)
    label = lambda z: (z @ jnp.array([1.0, -2.0, 0.0, 0.5, 0.0]) > 0).astype(jnp.int32)
    score = lambda of: activations.probe_accuracy(of(x), label(x), 2, of(held_out), label(held_out))
    assert score(lambda z: z) > 0.93
    assert score(lambda z: 100 * z + 3) == score(lambda z: z)
    assert abs(score(lambda z: z[:, 2:3]) - 0.5) < 0.1


def test_a_probe_is_the_ridge_regression_of_the_normal_equations():
    x, labels = random(0, 30, 4), jnp.arange(30) % 3
    scores = activations.probe(x, labels, 3, x, penalty=0.5)
    centred = np.asarray(x) - np.asarray(x).mean(axis=0)
    target = np.eye(3)[np.arange(30) % 3]
    ridge = 0.5 * np.mean(np.sum(centred**2, axis=0)) * np.eye(4)
    left, right = centred.T @ centred + ridge, centred.T @ (target - target.mean(axis=0))
    expected = centred @ np.linalg.solve(left, right) + target.mean(axis=0)
    np.testing.assert_allclose(scores, expected, rtol=1e-10)


def test_a_steering_vector_is_what_is_added_on_average():
    base, added = random(0, 9, 3), jnp.array([1.0, -2.0, 0.0])
    noise = random(1, 9, 3)
    noise = noise - jnp.mean(noise, axis=0, keepdims=True)
    found = activations.mean_difference(base + added[None] + noise, base)
    np.testing.assert_allclose(found, added, atol=1e-12)
