"""Artifacts are made once, are whole or not there, and can be listed and removed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lab import cache
from lab.errors import LabError
from tests.process import ROOT


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("SUBLIMINAL_CACHE", str(tmp_path / "cache"))
    return cache.root()


def place(name, kind="things"):
    return cache.artifacts() / kind / name


def fill(folders):
    for folder in folders:
        (folder / "content").write_text(folder.name)


def test_an_artifact_is_made_once():
    calls = []
    make = lambda folders: (calls.append(folders), fill(folders))
    for _ in range(2):
        cache.obtain([place("a"), place("b")], make)
    assert len(calls) == 1
    assert (place("a") / "content").is_file() and (place("b") / "content").is_file()


def test_what_is_there_stays_when_the_rest_is_made_anew():
    cache.obtain([place("a")], fill)
    (place("a") / "content").write_text("first")
    made = []
    cache.obtain([place("b"), place("a")], lambda folders: (made.extend(folders), fill(folders)))
    assert [folder.name for folder in made] == ["b.part", "a.part"]  # together, in order
    assert (place("a") / "content").read_text() == "first"
    assert {path.name for path in place("a").parent.iterdir() if path.is_dir()} == {"a", "b"}


def test_the_same_artifact_asked_for_twice_is_one():
    cache.obtain([place("a"), place("a")], fill)
    assert (place("a") / "content").is_file()


def test_a_failure_leaves_nothing_and_the_next_call_succeeds():
    def fail(folders):
        fill(folders[:1])
        raise LabError("n_rows: too few")

    with pytest.raises(LabError, match="too few"):
        cache.obtain([place("a"), place("b")], fail)
    assert not place("a").exists() and not place("b").exists()

    def make(folders):
        assert not any(list(folder.iterdir()) for folder in folders)
        fill(folders)

    cache.obtain([place("a"), place("b")], make)
    assert place("a").is_dir() and place("b").is_dir()


def test_artifacts_may_be_elsewhere_for_a_while(tmp_path):
    cache.obtain([place("a")], fill)
    with cache.artifacts_in(tmp_path / "elsewhere"):
        assert cache.artifacts() == tmp_path / "elsewhere"
        assert not place("a").exists()
        cache.obtain([place("b")], fill)
        with cache.artifacts_in(tmp_path / "deeper"):
            assert not place("b").exists()
        assert place("b").exists()
    assert place("a").exists() and not place("b").exists()


MAKER = """
import sys, time
from pathlib import Path
from lab import cache

def make(folders):
    with open(sys.argv[1], "a") as log:
        log.write("made\\n")
    time.sleep(float(sys.argv[2]))
    for folder in folders:
        (folder / "content").write_text("whole")

wanted = [cache.artifacts() / "things" / name for name in sys.argv[3:]]
cache.obtain(wanted, make)
assert all((place / "content").read_text() == "whole" for place in wanted)
"""


def maker(log, seconds, *names):
    return subprocess.Popen(
        [sys.executable, "-c", MAKER, str(log), str(seconds), *names],
        cwd=ROOT,
        env=os.environ,
        stderr=subprocess.PIPE,
        text=True,
    )


def begun(log, n, children):
    while not log.exists() or len(log.read_text().splitlines()) < n:
        assert any(child.poll() is None for child in children)
        time.sleep(0.01)


def ended(children):
    for child in children:
        _, err = child.communicate(timeout=60)
        assert child.returncode == 0, err


def test_processes_that_want_the_same_make_it_once(tmp_path):
    log = tmp_path / "log"
    # In another order and with overlaps: nobody waits in a ring.
    children = [maker(log, 0.3, *names) for names in (["a", "b"], ["b", "a"], ["a", "b"])]
    ended(children)
    assert log.read_text().splitlines() == ["made"]


def test_a_killed_maker_leaves_no_lock_and_no_half(tmp_path):
    log = tmp_path / "log"
    first = maker(log, 60, "a")
    begun(log, 1, [first])
    assert not place("a").exists() and place("a.part").exists()
    first.send_signal(signal.SIGKILL)
    first.communicate()
    ended([maker(log, 0, "a")])
    assert not place("a.part").exists()
    assert log.read_text().splitlines() == ["made", "made"]


def command(*words):
    done = subprocess.run(
        [sys.executable, "-m", "lab.cache", *words], cwd=ROOT, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_lists_and_removes(root):
    cache.obtain([place("a"), place("b")], fill)
    cache.obtain([place("c", "others")], fill)
    (root / "compiled").mkdir()
    status, out, _ = command()
    assert status == 0 and out.splitlines()[0] == str(root)
    kinds = {line.split()[0]: line.split()[1] for line in out.splitlines()[1:]}
    assert kinds == {"artifacts/others": "1", "artifacts/things": "2", "compiled": "0"}
    assert command("remove", "artifacts/things/a")[0] == 0
    assert not place("a").exists() and place("b").exists()
    assert command("remove", "artifacts/things")[0] == 0
    assert not place("b").exists() and place("c", "others").exists()


@pytest.mark.parametrize("name", ["..", ".", "", "artifacts/../..", "nothing", "/", "{outside}"])
def test_what_is_not_in_the_cache_is_not_removed(name, root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    cache.obtain([place("a")], fill)
    (root / "link").symlink_to(outside)
    for asked in {name.format(outside=outside), "link"}:
        with pytest.raises(LabError, match="is not in it"):
            cache.remove(asked)
    assert outside.is_dir() and place("a").is_dir()


def test_a_refused_removal_is_one_line_and_status_2(root):
    status, _, err = command("remove", "../elsewhere")
    assert status == 2
    assert err.startswith("error: cache: '../elsewhere'") and len(err.splitlines()) == 1
    assert command("remove")[0] == 2


def test_a_cache_behind_a_link_can_be_removed_from(monkeypatch, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    monkeypatch.delenv("SUBLIMINAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "linked"))
    cache.obtain([place("a")], fill)
    cache.remove("artifacts/things/a")
    assert not place("a").exists()
