"""Run folders: resuming after a kill at any moment, locks, damage, full disks."""

import dataclasses
import fcntl
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.errors import LabError
from lab.runs import checkpoint, paths, provenance, results
from lab.runs.run import Run
from tests import process
from tests.stored import change, described, sitting

DATASET = {"name": "digits", "sha256": "0"}


@dataclasses.dataclass(frozen=True)
class Net:
    width: int = 4


@dataclasses.dataclass(frozen=True)
class Config:
    seed: int = 0
    net: Net = Net()


ROWS = [{"arm": "a", "member": 0, "step": 1, "accuracy": 0.5}]


def open_run(folder, config=Config(), fresh=False):
    return Run(folder, "x", config, DATASET, fresh)


# The second seed is slow: the same 15 seconds again, at other moments.
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_run_killed_at_random_moments_ends_with_the_table_of_an_uninterrupted_one(
    seed, tmp_path, command
):
    status, out, err = command()
    assert status == 0, err
    expected = (process.folder_of(out) / "table.csv").read_bytes()
    draw = random.Random(seed)
    target = tmp_path / "killed"
    folder = target / "runs" / "mnist_aux_logits" / process.folder_of(out).name
    said = []
    for _ in range(3):
        child = process.start(target)
        # Wait until this process has made progress, then kill it somewhere in what follows.
        before = _noted(folder)
        while child.poll() is None and _noted(folder) == before:
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.1))
        child.send_signal(signal.SIGKILL)
        said.append(child.communicate()[0])
    status, out, err = process.run(target)
    assert status == 0, err
    assert any("continuing" in text for text in [*said, out])
    assert (folder / "table.csv").read_bytes() == expected
    assert not (folder / "checkpoint").exists()


def _noted(folder: Path) -> int | None:
    """When progress was last noted."""
    try:
        return (folder / "progress.json").stat().st_mtime_ns
    except FileNotFoundError:
        return None


def test_a_second_process_on_one_folder_says_so_and_a_killed_one_leaves_no_lock(tmp_path):
    first = process.start(tmp_path, "--members", "40")
    try:
        folder = None
        while folder is None:
            assert first.poll() is None, first.communicate()
            folder = next(tmp_path.glob("runs/*/*/progress.json"), None)
            time.sleep(0.05)
        status, _, err = process.run(tmp_path, "--members", "40")
        assert status == 2
        assert "in use by another process" in err
        assert len(err.strip().splitlines()) == 1
    finally:
        first.kill()
        first.communicate()
    # The killed owner's lock is gone: the folder can be taken at once.
    _, _, err = process.run(tmp_path, "--members", "40", "--fresh", "--student.learning-rate", "-1")
    assert "learning_rate" in err
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize(
    ("changed", "name"), [({"seed": 1}, "seed"), ({"net": {"width": 5}}, "net.width")]
)
def test_a_run_of_another_configuration_is_not_taken_for_this_one(changed, name, tmp_path):
    with open_run(tmp_path) as run:
        run.finish(ROWS, described)
    path = run.folder / "run.json"
    # As if a default had changed since: the hash, which holds differences, is the same.
    change(path, config=results.read_record(path)["config"] | changed)
    before = (run.folder / "table.csv").read_bytes()
    with pytest.raises(LabError, match=rf"another configuration \({name}\).*--fresh"):
        open_run(tmp_path)
    assert (run.folder / "table.csv").read_bytes() == before


def test_ctrl_c_at_any_moment_is_one_line_and_the_same_command_continues(tmp_path):
    draw = random.Random(0)
    for _ in range(2):
        noted = lambda: next(map(_noted, tmp_path.glob("runs/*/*")), None)
        before = noted()
        child = process.start(tmp_path, "--members", "40")
        while child.poll() is None and noted() == before:
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.3))  # with a save under way, or a step
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
        assert child.returncode == 130, err
        assert out.splitlines()[-1].endswith("continues from the last checkpoint")
        assert ("continuing" in out) == (before is not None)
        assert err == ""


def test_a_finished_run_is_shown_and_not_repeated_unless_fresh(tmp_path):
    with open_run(tmp_path) as run:
        run.finish(ROWS, described)
        assert run.complete
    with open_run(tmp_path) as run:
        assert run.complete
    with open_run(tmp_path, fresh=True) as run:
        assert not run.complete
        assert not (run.folder / "table.csv").exists()


def test_a_record_says_what_the_table_does_and_all_that_is_described_of_it(tmp_path):
    with open_run(tmp_path, Config(seed=3)) as run:
        run.finish(
            ROWS, lambda record: described(record, command=f"seed {record['config']['seed']}")
        )
    record = results.read_record(run.folder / "run.json")
    assert record["status"] == "complete"
    assert record["overrides"] == {"seed": 3}
    assert record["command"] == "seed 3"
    assert results.read_rows(run.folder / "table.csv") == ROWS


def test_what_was_found_on_the_way_is_told_once_and_outlives_a_kill(tmp_path):
    with open_run(tmp_path) as run:
        assert run.tell("entropy", 0.5)
    with open_run(tmp_path) as run:  # that one had not finished
        assert not run.tell("entropy", 0.7) and run.tell("other", 1.0)
        run.finish(ROWS, described)
    assert results.read_record(run.folder / "run.json")["facts"] == {"entropy": 0.5, "other": 1.0}


def test_a_record_lists_every_process_that_worked_on_its_run_once(tmp_path, monkeypatch):
    at = lambda commit, dirty=False: sitting() | {"git": {"commit": commit, "dirty": dirty}}
    sit = [at("a", True), at("b"), at("b"), at("a"), at("a", True)]
    for now in sit:
        monkeypatch.setattr(provenance, "collect", lambda now=now: now)
        with open_run(tmp_path) as run:  # and is killed
            run.save({"epochs": 1}, force=True)
    monkeypatch.setattr(provenance, "collect", lambda: at("c"))
    with open_run(tmp_path) as run:
        run.finish(ROWS, described)
    read = lambda: results.read_record(run.folder / "run.json")["sittings"]
    made = read()
    assert sorted(map(json.dumps, made)) == sorted(
        map(json.dumps, [at("a", True), at("b"), at("a"), at("c")])
    )
    monkeypatch.setattr(provenance, "collect", lambda: at("who looks at it"))
    with open_run(tmp_path):
        assert read() == made
    with open_run(tmp_path, fresh=True):
        assert read() == [at("who looks at it")]


def test_a_sitting_names_its_commit_and_versions_and_no_place():
    found = provenance.collect()
    assert set(found["git"]) == {"commit", "dirty"}
    assert {"python", "jax", "numpy"} < set(found["packages"])
    assert str(process.ROOT) not in json.dumps(found)


def test_a_lab_in_somebody_elses_repository_has_no_commit(monkeypatch):
    # As `git ls-files --error-unmatch` fails for an installed copy that is not tracked there.
    monkeypatch.setattr(provenance, "__file__", str(process.ROOT / "lab" / "runs" / "untracked.py"))
    assert provenance.collect()["git"] is None


def test_a_checkpoint_returns_the_same_bits(tmp_path):
    tree = {"a": jax.random.normal(jax.random.key(0), (3, 5)), "b": {"c": jnp.int32(4)}}
    with open_run(tmp_path) as run:
        run.save({"epochs": 1}, tree, force=True)
        run.save({"epochs": 2}, jax.tree.map(lambda x: x + 1, tree), force=True)
        assert len(list((run.folder / "checkpoint").iterdir())) == 1
    with open_run(tmp_path) as run:
        assert run.mark == {"epochs": 2}
        restored = run.restore(tree)
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(x + 1, y), tree, restored)


def test_a_damaged_checkpoint_is_named_and_nothing_is_lost(tmp_path):
    tree = {"a": jnp.arange(1000.0)}
    with open_run(tmp_path) as run:
        run.save({"epochs": 1}, tree, force=True)
    # Data files end in long hexadecimal names; cutting them leaves metadata that looks right.
    files = [p for p in (run.folder / "checkpoint").rglob("*") if p.is_file()]
    for path in files:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_run(tmp_path) as run:
        with pytest.raises(LabError, match=r"checkpoint: .* --fresh") as error:
            run.restore(tree)
        assert "\n" not in str(error.value)
    assert all(path.exists() for path in files)


def test_a_half_written_checkpoint_of_a_killed_process_is_replaced_in_silence(tmp_path, caplog):
    with open_run(tmp_path) as run:
        left = run.folder / "checkpoint" / "1.orbax-checkpoint-tmp"
        left.mkdir(parents=True)
        run.save({"epochs": 1}, {"a": jnp.arange(3.0)}, force=True)
        assert [path.name for path in left.parent.iterdir()] == ["1"]
    assert not caplog.records


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
import jax.numpy as jnp
import numpy as np
from tests.test_run import open_run
from lab.errors import LabError
with open_run(Path(sys.argv[1])) as run:
    run.save({"epochs": 1}, {"a": jnp.arange(10.0)}, force=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # as if the disk were full
    for last in (lambda: run.snapshot("one", {"a": np.arange(1e6)}),
                 lambda: run.save({"epochs": 2}, {"a": jnp.arange(1e6) ** 0.5}, force=True)):
        try:
            last()
        except LabError as error:
            print(error)
"""


def test_a_full_disk_is_one_line_and_keeps_the_last_checkpoint(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        cwd=process.ROOT,
        capture_output=True,
        text=True,
    )
    snapshot, saved = done.stdout.strip().splitlines()
    for line, name in ((snapshot, "one.safetensors"), (saved, "checkpoint/2")):
        assert name in line and "cannot be written" in line and "File too large" in line
    assert done.stderr == ""  # orbax says nothing of its own
    (folder,) = tmp_path.glob("*/*")
    assert [path.name for path in (folder / "checkpoint").iterdir()] == ["1"]
    assert not list((folder / "snapshots").iterdir())
    tree = {"a": jnp.arange(10.0)}
    with open_run(tmp_path) as run:
        assert run.mark == {"epochs": 1}
        np.testing.assert_array_equal(run.restore(tree)["a"], tree["a"])
        run.save({"epochs": 3}, tree, force=True)  # over the half-written one
        assert run.mark == {"epochs": 3}


def test_tables_are_never_half_written(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    results.write_table(path, ROWS)
    before = path.read_bytes()
    monkeypatch.setattr(paths.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        results.write_table(path, [{"arm": "b", "member": 1}] * 100)
    assert path.read_bytes() == before


# What a run folder holds is not trusted: names, links, and files that somebody changed.

TREE = {"a": jnp.arange(1000.0)}


@pytest.fixture
def interrupted(tmp_path):
    """The folder of a run that was killed."""
    with open_run(tmp_path / "runs") as run:
        run.save({"epochs": 1}, TREE, force=True)
    return run.folder


def again(folder, fresh=False):
    return open_run(folder.parents[1], fresh=fresh)


def refused(act):
    """One line, whose remedy is --fresh."""
    with pytest.raises(LabError, match="--fresh") as error:
        act()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["checkpoint/1/../../../../../outside", "../../../outside"])
def test_a_note_that_names_a_checkpoint_elsewhere_deletes_nothing(name, interrupted, outside):
    change(interrupted / "progress.json", checkpoint=name)
    assert "progress.json is damaged" in refused(lambda: again(interrupted))
    with again(interrupted, fresh=True) as run:
        run.save({"epochs": 1}, TREE, force=True)


@pytest.mark.parametrize("name", ["checkpoint", "checkpoint/1", "progress.json", "run.json"])
def test_no_link_of_a_run_folder_is_followed(name, interrupted, outside):
    paths.remove(interrupted / name)
    (interrupted / name).symlink_to(outside)

    def use():
        with again(interrupted) as run:
            run.restore(TREE)

    assert "is a link" in refused(use)
    with again(interrupted, fresh=True) as run:
        run.save({"epochs": 1}, TREE, force=True)
    assert not (interrupted / name).is_symlink()


def test_links_to_be_written_over_are_replaced_and_a_lock_is_not(interrupted, outside):
    (interrupted / "lock").unlink()
    (interrupted / "lock").symlink_to(outside / "file")
    with pytest.raises(LabError, match="lock is a link, which is not followed; remove it"):
        again(interrupted)
    (interrupted / "lock").unlink()
    (interrupted / "snapshots").mkdir()
    for name in ("snapshots/one.safetensors", "run.json.part", "table.csv.part"):
        (interrupted / name).symlink_to(outside / "file")
    with again(interrupted) as run:
        run.snapshot("one", {"a": np.arange(3.0)})
        run.finish(ROWS, described)
    assert not any(path.is_symlink() for path in interrupted.rglob("*"))


def test_a_checkpoint_with_a_changed_byte_or_of_another_run_is_not_restored(interrupted, tmp_path):
    with open_run(tmp_path / "other", Config(seed=1)) as run:
        run.save({"epochs": 1}, jax.tree.map(lambda x: -x, TREE), force=True)
    other = run.folder
    assert other.name != interrupted.name
    for changed in ("byte", "tree", "note"):
        folder = tmp_path / changed / interrupted.parent.name / interrupted.name
        shutil.copytree(interrupted, folder)
        if changed == "byte":
            files = [path for path in (folder / "checkpoint").rglob("*") if path.is_file()]
            path = max(files, key=lambda path: path.stat().st_size)
            data = path.read_bytes()
            path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        else:
            shutil.copytree(other / "checkpoint", folder / "checkpoint", dirs_exist_ok=True)
        if changed == "note":
            shutil.copy(other / "progress.json", folder)

        def use(folder=folder):
            with again(folder) as run:
                run.restore(TREE)

        words = "of another configuration" if changed == "note" else "was changed"
        assert words in refused(use), changed


@pytest.mark.parametrize("name", ["table.csv", "run.json"])
def test_a_complete_run_with_a_changed_file_is_not_complete(name, tmp_path):
    with open_run(tmp_path) as run:
        run.finish(ROWS, described)
    path = run.folder / name
    whole = path.read_text()
    for changed in (whole[:-10], whole.replace("0.5", "0.6").replace("lete", "lote"), "[]", ""):
        path.write_text(changed)
        assert name in refused(lambda: again(run.folder))
    path.unlink()
    path.mkdir()
    assert name in refused(lambda: again(run.folder))
    with again(run.folder, fresh=True) as run:
        run.finish(ROWS, described)
        assert run.complete


def test_a_run_that_is_whole_but_of_another_folder_is_not_taken_for_this_one(tmp_path):
    with open_run(tmp_path, Config(seed=1)) as other:
        other.finish(ROWS, described)
    with open_run(tmp_path) as run:
        pass
    for name in ("run.json", "table.csv"):
        shutil.copy(other.folder / name, run.folder)
    assert "another configuration (seed)" in refused(lambda: again(run.folder))


def test_a_table_with_a_nan_leaves_the_run_unfinished(tmp_path):
    with open_run(tmp_path) as run:
        with pytest.raises(LabError, match="accuracy: nan for arm 'a', member 0"):
            run.finish([ROWS[0] | {"accuracy": float("nan")}], described)
        assert not run.complete
    assert not (run.folder / "table.csv").exists()


@pytest.mark.parametrize("value", ["x", "nan", "-1", "inf", "1e999"])
def test_an_environment_variable_that_is_no_number_is_named(value, tmp_path, monkeypatch):
    monkeypatch.setenv("SUBLIMINAL_CHECKPOINT_SECONDS", value)
    with pytest.raises(LabError, match=f"SUBLIMINAL_CHECKPOINT_SECONDS: '{value}'"):
        open_run(tmp_path)


@pytest.mark.parametrize("name", ["a\0b", "x" * 300])
def test_an_output_folder_that_no_file_can_be_called_is_one_line(name, tmp_path):
    with pytest.raises(LabError, match="names no file") as error:
        open_run(tmp_path / name)
    assert "\n" not in str(error.value)


def test_snapshots_hold_the_parameters_by_name(tmp_path):
    params = {"teacher": {"dense_0": {"kernel": np.arange(6.0).reshape(2, 3).T}}}
    with open_run(tmp_path) as run:
        run.snapshot("step-0", params)
        found = checkpoint.load_parameters(run.folder / "snapshots" / "step-0.safetensors")
    kernel = found["teacher"]["dense_0"]["kernel"]
    np.testing.assert_array_equal(kernel, params["teacher"]["dense_0"]["kernel"])
