"""Two processes that work as one: what each of them sees, told by both."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from lab import cache, devices, hosts
from lab.errors import LabError
from tests.process import ended, launched
from tests.process import hosts as environments


def seen() -> dict:
    """What a process found, with the cache in `SUBLIMINAL_CACHE`."""
    devices.start()
    own = hosts.share(5)
    found = {
        "agreed": hosts.from_main(hosts.is_main()),
        "share": own.tolist(),
        "joined": hosts.joined(np.arange(10, 15)[own], 5).tolist(),
        "failed": failure(lambda: hosts.on_main(failing)),
    }
    place, makers = cache.artifacts() / "kind" / "one", []

    def make(parts: list[Path]) -> None:
        makers.append(parts[0].name)
        if hosts.is_main():
            (parts[0] / "file").write_text("made")

    found["refused"] = failure(lambda: cache.obtain([place], make))
    again = failure(lambda: cache.obtain([place], make))
    files = sorted(path.name for path in cache.artifacts().rglob("*") if path.is_file())
    return found | {"again": again, "makers": makers, "files": files}


def failing() -> None:
    raise LabError("out: this is the first process's")


def failure(action) -> str | None:
    try:
        action()
    except LabError as error:
        return str(error)
    return None


def of_slurm(env: dict[str, str]) -> dict[str, str]:
    """The same two processes as Slurm starts them, a task for each device of a node."""
    said = {"JOB_ID": "1", "STEP_NODELIST": "localhost", "NTASKS": env["JAX_NUM_PROCESSES"]}
    said |= dict.fromkeys(("PROCID", "LOCALID"), env["JAX_PROCESS_ID"])
    address = {"JAX_COORDINATOR_ADDRESS": env["JAX_COORDINATOR_ADDRESS"]}
    return address | {"JAX_NUM_CPU_DEVICES": "1"} | {f"SLURM_{k}": v for k, v in said.items()}


def both(folders: list[Path], started=dict) -> list[dict]:
    """What two processes found, each with a cache."""
    children = [
        launched("tests.test_hosts", **started(env), SUBLIMINAL_CACHE=str(folder))
        for env, folder in zip(environments(2), folders, strict=True)
    ]
    return [json.loads(out.splitlines()[-1]) for out in ended(children, 60)]


@pytest.mark.parametrize("started", [dict, of_slurm])
def test_two_processes_agree_share_rows_fail_together_and_make_an_artifact_once(tmp_path, started):
    first, second = both([tmp_path, tmp_path], started)
    assert (first["share"], second["share"]) == ([0, 1, 2], [3, 4, 4])
    for one in (first, second):
        assert one["agreed"] is True
        assert one["joined"] == [10, 11, 12, 13, 14]
        assert one["refused"] is one["again"] is None
        assert one["makers"] == ["one.part"]  # both work, once
    assert first["failed"] == "out: this is the first process's"
    assert second["failed"] == "out: the first process failed; see its message"
    assert second["files"] == ["file", "one.lock", "sha256.json"]


def test_a_cache_that_hosts_do_not_share_is_refused_by_each_and_nothing_is_left(tmp_path):
    for one in both([tmp_path / "a", tmp_path / "b"]):
        assert "not on a file system that all hosts share; let SUBLIMINAL_CACHE" in one["refused"]
        assert one["makers"] == []
        assert set(one["files"]) <= {"one.lock"}


@pytest.fixture
def together():
    yield hosts.hold_together
    hosts.hold_together(1)


def test_hosts_that_hold_a_model_together_have_the_same_rows_which_count_once(
    together, monkeypatch
):
    together(2)
    monkeypatch.setattr(jax, "process_count", lambda: 4)
    drawn = []
    for which in range(4):
        monkeypatch.setattr(jax, "process_index", lambda which=which: which)
        drawn.append(10 + hosts.share(5))
    assert [x.tolist() for x in drawn] == [[10, 11, 12]] * 2 + [[13, 14, 14]] * 2
    monkeypatch.setattr(hosts.multihost_utils, "process_allgather", lambda _: np.stack(drawn))
    assert hosts.joined(drawn[0], 5).tolist() == [10, 11, 12, 13, 14]


@pytest.mark.parametrize("n", [1, 5])
def test_one_process_has_all_rows_and_gathers_nothing(n):
    assert hosts.share(n).tolist() == list(range(n))
    tree = {"a": np.ones(2)}
    assert hosts.whole(tree) is tree
    assert hosts.joined(np.arange(n), n).tolist() == list(range(n))
    hosts.require_shared(Path("nowhere"), "")


if __name__ == "__main__":
    print(json.dumps(seen()))
