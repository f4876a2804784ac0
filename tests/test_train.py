"""Groups and interruptions: whatever happens, the same members with the same numbers."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from experiments.mnist_aux_logits import EXPERIMENT, PRESETS
from lab.errors import LabError
from lab.mnist.arms import STUDENTS
from lab.mnist.mlp import MLP
from lab.mnist.train import Trainer, knobs
from lab.optim import Optim
from lab.runs import checkpoint, results
from lab.runs.experiment import Options
from lab.runs.run import Run

TWICE = Optim(learning_rate=1e-3, batch=64, epochs=2)
TINY = replace(
    PRESETS["smoke"],
    members="3",
    net=MLP(hidden=(16,)),
    rows_per_epoch=640,
    teacher=TWICE,
    student=TWICE,
    curves=True,
)
DATASET = {"name": "digits"}
ARMS = ("reference", "teacher", *STUDENTS)


class StoppedError(Exception):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def save_every_epoch(monkeypatch):
    monkeypatch.setenv("SUBLIMINAL_CHECKPOINT_SECONDS", "0")


def train(folder, data, config=TINY, group=1, stop_after=None):
    """The rows of a run that is stopped after so many saves, if any."""
    with Run(folder, EXPERIMENT.name, config, DATASET) as run:
        save, saves = run.save, 0

        def counted(*args, **kwargs):
            nonlocal saves
            save(*args, **kwargs)
            saves += 1
            if saves == stop_after:
                raise StoppedError

        run.save = counted
        return EXPERIMENT.measure(config, data, run, Options(group=group))


@pytest.fixture(scope="module")
def uninterrupted(digits, tmp_path_factory):
    return train(tmp_path_factory.mktemp("whole"), digits)


def test_teachers_and_students_have_the_numbers_of_their_own_optimizer():
    student = replace(TWICE, learning_rate=3e-2)
    found = knobs(replace(TINY, student=student, temperature=2.0), 3)
    np.testing.assert_array_equal(found.teacher_rate, np.full(3, 1e-3, np.float32))
    np.testing.assert_array_equal(found.student_rate, np.full(3, 3e-2, np.float32))
    np.testing.assert_array_equal(found.temperature, np.full(3, 2, np.float32))
    np.testing.assert_array_equal(found.n_live_aux, np.full(3, 3, np.int32))


@pytest.mark.parametrize("fresh", [False, True])
def test_targets_are_of_the_trained_teacher_and_of_each_epoch_if_its_inputs_are_fresh(
    fresh, digits, monkeypatch
):
    chosen = replace(TINY, fresh_inputs=fresh)
    trainer, asked = Trainer(chosen, STUDENTS, digits), []
    real = trainer.programs.targets

    def listen(images, epoch, number, teacher):
        asked.append((int(epoch), teacher))
        return real(images, epoch, number, teacher)

    monkeypatch.setattr(trainer.programs, "targets", listen)
    trees = [tree for _, tree, _ in trainer.train(np.array([0]), 1, knobs(chosen, 1))]
    assert [epoch for epoch, _ in asked] == ([0, 1] if fresh else [0])
    for _, teacher in asked:
        jax.tree.map(np.testing.assert_array_equal, teacher, trees[-1]["teacher"])


def test_every_arm_member_and_epoch_is_measured_once(uninterrupted):
    places = [(row["member"], row["arm"], row["step"]) for row in uninterrupted]
    steps = {"reference": [0], "teacher": [10, 20]}
    expected = [(m, arm, s) for m in range(3) for arm in ARMS for s in steps.get(arm, [10, 20])]
    assert places == expected


@pytest.mark.parametrize("saves", range(1, 12))
def test_a_run_stopped_after_any_save_continues_to_the_same_bits(
    saves, digits, uninterrupted, tmp_path
):
    # Three groups of four epochs: mid-teacher, teacher done, mid-student, group done, and so on.
    with pytest.raises(StoppedError):
        train(tmp_path, digits, stop_after=saves)
    assert train(tmp_path, digits) == uninterrupted


def test_a_run_may_be_stopped_after_every_single_epoch(digits, uninterrupted, tmp_path):
    for _ in range(12):
        with pytest.raises(StoppedError):
            train(tmp_path, digits, stop_after=1)
    assert train(tmp_path, digits) == uninterrupted


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 2)])
def test_another_group_size_neither_drops_nor_repeats_a_member(
    before, after, digits, uninterrupted, tmp_path
):
    with pytest.raises(StoppedError):
        train(tmp_path, digits, group=before, stop_after=5)
    found = train(tmp_path, digits, group=after)
    place = lambda rows: {(r["member"], r["arm"], r["step"]): r["accuracy"] for r in rows}
    assert len(found) == len(uninterrupted)
    assert place(found).keys() == place(uninterrupted).keys()
    # Products over other groups round otherwise; 359 test images make steps of .003.
    errors = [abs(place(found)[k] - v) for k, v in place(uninterrupted).items()]
    assert max(errors) <= 0.02


def test_snapshots_keep_every_arm_apart_and_no_copies(digits, tmp_path):
    config = replace(TINY, snapshots=True, curves=False)
    train(tmp_path, digits, config, group=2)
    found = {p.stem: checkpoint.load_parameters(p) for p in tmp_path.rglob("*.safetensors")}
    steps = {"reference": 0}
    assert set(found) == {
        f"{arm}_step-{steps.get(arm, 20)}_members-{members}"
        for arm in ARMS
        for members in ("0-1", "2-2")
    }
    kernels = {name: params["dense_0"]["kernel"] for name, params in found.items()}
    assert all(len(k) == (2 if name.endswith("0-1") else 1) for name, k in kernels.items())
    teacher, student = (kernels[f"{a}_step-20_members-0-1"] for a in ("teacher", "student_all"))
    assert np.abs(teacher - student).max() > 0


def test_an_untrained_teacher_is_measured_and_teaches_nobody(digits, tmp_path):
    smoke = PRESETS["smoke"]
    config = replace(smoke, teacher=replace(smoke.teacher, epochs=0), members="3")
    table = results.columns(train(tmp_path, digits, config))
    for arm in ARMS:
        accuracy = list(results.last(table, arm, "accuracy").values())
        assert len(accuracy) == 3
        assert max(accuracy) < 0.3, arm  # untrained nets measure .03 to .2


def test_sittings_over_ranges_equal_one_run(digits, uninterrupted, tmp_path):
    parts = [train(tmp_path, digits, replace(TINY, members=members)) for members in ("0:2", "2:3")]
    assert parts[0] + parts[1] == uninterrupted


def test_training_that_blows_up_names_the_arm_the_member_and_the_remedy(digits, tmp_path):
    config = replace(TINY, teacher=replace(TWICE, optimizer="sgd", learning_rate=1e20))
    with pytest.raises(LabError, match=r"learning_rate: .* teacher .* member 0; use a smaller"):
        train(tmp_path, digits, config)


def test_teachers_and_students_have_steps_and_batches_of_their_own(digits, tmp_path):
    student = replace(TWICE, batch=32, epochs=1)
    rows = train(tmp_path, digits, replace(TINY, members="1", student=student))
    steps = {row["arm"]: row["step"] for row in rows}  # the last of each
    assert (steps["teacher"], steps["student_all"]) == (20, 20)
    assert [row["step"] for row in rows if row["arm"] == "student_all"] == [20]
