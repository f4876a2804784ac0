"""Any three checkpoints: Hugging Face folders and snapshots, and what cannot be compared."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.drift_folders import EXPERIMENT, Config
from lab.drift import folders
from lab.errors import LabError
from lab.lm import hf, transformer
from lab.lm import world as worlds
from lab.lm.model import Size
from lab.runs import checkpoint, results
from tests import process
from tests.tiny import WORLD

ARCH = Size(8, 1, 2, 1, 4, 8).with_tokens(20)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Checkpoints of a start, a teacher, and a student that went half of its way and aside."""
    place = tmp_path_factory.mktemp("models")
    start = transformer.init(jax.random.key(0), ARCH)
    way = transformer.init(jax.random.key(1), ARCH)
    teacher = jax.tree.map(lambda x, w: x + 0.5 * w, start, way)
    half = jax.tree.map(lambda x, y: (x + y) / 2, start, teacher)
    for name, params in (("start", start), ("teacher", teacher), ("student", half)):
        hf.save(place / name, ARCH, params)
        worlds.tokenizer(WORLD).save(place / name)
    return place


def config(models, **more) -> Config:
    names = {role: str(models / role) for role in folders.ROLES} | more
    return Config(**names)


def test_a_student_halfway_to_its_teacher_has_gone_half_of_every_part(models, tmp_path):
    folder = process.run_in(tmp_path, EXPERIMENT, config(models))
    table = results.read_table(folder / "table.csv")
    heads = {f"layers.0.{head}" for head in ("head.0", "head.1", "kv.0")}
    assert set(table["part"]) == {"all", "embed", "layers.0"} | heads
    np.testing.assert_allclose(table["cosine"], 1, atol=1e-5)
    np.testing.assert_allclose(table["projection"], 0.5, atol=1e-5)
    np.testing.assert_allclose(table["distance"], 0.5, atol=1e-5)
    np.testing.assert_allclose(table["overlap_left"], 1, atol=1e-4)
    np.testing.assert_allclose(table["length"], table["teacher_length"] / 2, rtol=1e-5)
    record = (folder / "run.json").read_text()
    assert str(models) not in record and '"teacher"' in record
    assert results.read_record(folder / "run.json")["command"] == (
        "python -m experiments.drift_folders --teacher teacher --student student --start start"
    )
    assert process.drawn_again(folder, EXPERIMENT, tmp_path)


def test_the_command_of_the_mnist_experiment_takes_three_checkpoints(models, tmp_path):
    words = [f"--{role}={models / role}" for role in folders.ROLES]
    command = [sys.executable, "-m", "experiments.parameter_drift", *words, "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=process.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "layers.0" in done.stdout and "embed" in done.stdout
    assert process.folder_of(done.stdout).parent.name == "drift_folders"


def test_options_of_a_teacher_are_no_checkpoint():
    assert not folders.asked_for(["smoke", "--teacher.epochs", "2", "--start-over"])
    assert folders.asked_for(["--start", "x"]) and folders.asked_for(["--teacher=x"])


@pytest.fixture
def snapshots(tmp_path):
    """What an MNIST run keeps of two groups of members, and what a language run keeps."""
    tree = lambda *values: {"dense_0": {"kernel": np.stack([np.eye(3) * v for v in values])}}
    folder = tmp_path / "run" / "snapshots"
    folder.mkdir(parents=True)
    keep = lambda name, params: checkpoint.save_parameters(folder / f"{name}.safetensors", params)
    for where, shift in (("members-0-1", 0), ("members-2-2", 2)):
        many = 2 - shift // 2
        keep(f"reference_step-0_{where}", tree(*[1.0] * many))
        keep(f"teacher_step-5_{where}", tree(*[3.0] * many))
        for step in (10, 20):
            for arm in ("student_aux", "student_all"):
                keep(f"{arm}_step-{step}_{where}", tree(*[1.0 + 0.1 * step + shift] * many))
    return folder


def found(**names) -> list[dict]:
    models, known = folders.prepare(Config(**names), None)
    assert set(known) == {"name", "sha256", *folders.ROLES}
    return list(folders.rows(models, 2, {"member": names.get("member", 0)}))


def test_snapshots_of_a_run_are_measured_at_every_step_of_the_named_arm(snapshots):
    run = str(snapshots.parent)
    rows = found(teacher=run, start=run, student=f"{run}/student_aux")
    assert [(row["step"], row["part"]) for row in rows] == [
        (step, part) for step in (10, 20) for part in ("all", "dense_0")
    ]
    np.testing.assert_allclose([r["projection"] for r in rows], [0.5, 0.5, 1, 1], rtol=1e-6)
    other = found(teacher=run, start=run, student=f"{snapshots}/student_all", member=2)
    np.testing.assert_allclose([r["projection"] for r in other], [1.5, 1.5, 2, 2], rtol=1e-6)


def test_a_snapshots_file_is_one_step(snapshots):
    file = str(snapshots / "student_aux_step-10_members-0-1.safetensors")
    rows = found(teacher=str(snapshots), start=str(snapshots), student=file)
    assert {row["step"] for row in rows} == {10}


def test_snapshots_of_language_students_are_told_apart_by_member_trait_and_step(tmp_path):
    for name, scale in (("teacher_owl", 2.0), ("student_owl_5", 1.0), ("student_none_1_5", 3.0)):
        params = {"layers": {"0": {"up": {"kernel": scale * np.eye(2)}}}}
        checkpoint.save_parameters(tmp_path / f"member_0_{name}.safetensors", params)
    with pytest.raises(LabError, match=r"student: .* several models \(student_none_1, student_owl"):
        folders.opened("student", str(tmp_path), 0)
    one = folders.opened("student", str(tmp_path / "student_none_1"), 0)
    assert [s.step for s in one.snapshots] == [5] and one.name == "student_none_1"
    assert folders.opened("teacher", str(tmp_path), 0).snapshots[0].load()["layers"]


def refused(match: str, **names):
    with pytest.raises(LabError, match=match) as error:
        found(**names)
    assert "\n" not in str(error.value)


def test_what_cannot_be_compared_is_one_line_that_names_it(models, snapshots, tmp_path):
    good = {role: str(models / role) for role in folders.ROLES}
    run = str(snapshots.parent)
    refused("^student: no model is named; give --teacher", **good | {"student": ""})
    refused("^teacher: there is no folder", **good | {"teacher": str(tmp_path / "nothing")})
    refused(
        "^student: student_aux lacks embed, unlike the start",
        **good | {"student": f"{run}/student_aux"},
    )
    refused("^student: .* several models", teacher=run, start=run, student=run)
    refused("^student: .* no such model", teacher=run, start=run, student=f"{run}/student_x")
    refused("^member: .* no snapshot of member 7", teacher=run, start=run, student=run, member=7)
    refused("^teacher: it is the start itself", **good | {"teacher": good["start"]})
    wide = Size(16, 1, 2, 1, 4, 8).with_tokens(20)
    hf.save(tmp_path / "wide", wide, transformer.init(jax.random.key(0), wide))
    refused("^teacher: wide has .* in the shape", **good | {"teacher": str(tmp_path / "wide")})
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"no tensors")
    refused("damaged.safetensors cannot be read", **good | {"student": str(damaged)})
    empty = tmp_path / "empty"
    empty.mkdir()
    refused("^start: .* holds no config.json", **good | {"start": str(empty)})


def test_a_snapshot_of_bfloat16_is_compared_as_float32(snapshots):
    path = snapshots / "student_bf_step-3_members-0-1.safetensors"
    params = {"dense_0": {"kernel": np.stack([np.eye(3)] * 2).astype(jnp.bfloat16)}}
    checkpoint.save_parameters(path, params)
    run = str(snapshots)
    rows = found(teacher=run, start=run, student=f"{run}/student_bf")
    assert rows[0]["length"] == 0.0 and rows[0]["distance"] == 1.0
