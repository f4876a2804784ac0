"""Artifacts are made once, are whole or not there, and can be listed and removed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from lab import cache
from lab.errors import LabError
from lab.runs import manifest
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
    cache.obtain([place("a")], lambda folders: (folders[0] / "content").write_text("first"))
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
    assert [path.suffix for path in place("a").parent.iterdir()] == [".lock", ".lock"]

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
        with pytest.raises(LabError, match=r"is not in it|does not lie inside|is a link"):
            cache.remove(asked)
    assert outside.is_dir() and place("a").is_dir()


def test_a_refused_removal_is_one_line_and_status_2(root):
    status, _, err = command("remove", "../elsewhere")
    assert status == 2
    assert (
        err.startswith("error: path: '../elsewhere' does not lie inside")
        and len(err.splitlines()) == 1
    )
    assert command("remove")[0] == 2


def test_a_cache_behind_a_link_can_be_removed_from(monkeypatch, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    monkeypatch.delenv("SUBLIMINAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "linked"))
    cache.obtain([place("a")], fill)
    cache.remove("artifacts/things/a")
    assert not place("a").exists()


def tree(folders):
    for folder in folders:
        (folder / "content").write_text("right")
        (folder / "inner").mkdir()
        (folder / "inner" / "more").write_text("more")


def put_link(folder):
    (folder / "content").unlink()
    (folder / "content").symlink_to("/etc/hostname")


def put_folder(folder):
    (folder / "content").unlink()
    (folder / "content").mkdir()


def put_pipe(folder):
    (folder / "content").unlink()
    os.mkfifo(folder / "content")


def put_file(folder):
    shutil.rmtree(folder)
    folder.write_text("no folder")


def put_link_to_folder(folder):
    folder.rename(folder.with_name("moved"))
    folder.symlink_to(folder.with_name("moved"))


def put_other(folder):
    """Another artifact, whole, under this one's name."""
    cache.obtain([folder.with_name("other")], tree)
    shutil.rmtree(folder)
    folder.with_name("other").rename(folder)


def same_length_and_time(folder):
    before = (folder / "content").stat()
    (folder / "content").write_text("wrong")
    os.utime(folder / "content", ns=(before.st_atime_ns, before.st_mtime_ns))


def manifest_of(content):
    return lambda folder: (folder / "sha256.json").write_text(content)


def manifest_without_more(folder):
    found = json.loads((folder / "sha256.json").read_text())
    del found["files"]["inner/more"]
    (folder / "sha256.json").write_text(json.dumps(found))


DAMAGES = {
    "a byte": same_length_and_time,
    "an inner file": lambda folder: (folder / "inner" / "more").write_text(""),
    "a missing file": lambda folder: (folder / "content").unlink(),
    "a missing inner folder": lambda folder: shutil.rmtree(folder / "inner"),
    "an extra file": lambda folder: (folder / "extra").touch(),
    "an extra folder": lambda folder: (folder / "extra").mkdir(),
    "no manifest": lambda folder: (folder / "sha256.json").unlink(),
    "an empty manifest": manifest_of(""),
    "a manifest of garbage": manifest_of("\x00[[["),
    "a manifest of another kind": manifest_of('{"name": "things/a", "files": ["content"]}'),
    "a manifest that knows less": manifest_without_more,
    "a manifest that leads outside": manifest_of(
        '{"name": "things/a", "files": {"../../../etc/hostname": "0"}}'
    ),
    "a link for a file": put_link,
    "a folder for a file": put_folder,
    "a pipe for a file": put_pipe,
    "a file for the folder": put_file,
    "a link for the folder": put_link_to_folder,
    "another artifact": put_other,
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_artifact_is_set_aside_and_made_again(kind, capsys):
    cache.obtain([place("a")], tree)
    DAMAGES[kind](place("a"))
    shown = os.path.lexists(place("a") / "content") and not place("a").is_symlink()
    cache.obtain([place("a")], tree)
    assert (place("a") / "content").read_text() == "right"
    assert (place("a") / "inner" / "more").read_text() == "more"
    assert sorted(path.name for path in place("a").iterdir()) == ["content", "inner", "sha256.json"]
    aside = place("a.damaged")
    assert os.path.lexists(aside) and os.path.lexists(aside / "content") >= shown
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{place('a')} is damaged (") and line.endswith("made again")
    cache.obtain([place("a")], lambda _: pytest.fail("made a third time"))


def test_what_was_set_aside_earlier_makes_room_and_both_are_listed_and_can_be_removed(root):
    for content in ("first", "second"):
        cache.obtain([place("a"), place("b")], tree)
        (place("a") / "content").write_text(content)
    cache.obtain([place("a"), place("b")], tree)
    assert (place("a.damaged") / "content").read_text() == "second"
    kinds = [(kind, n) for kind, n, *_ in cache.listing()]
    assert kinds == [("artifacts/things", 2), ("artifacts/things/a.damaged", 1)]
    assert cache.remove("artifacts/things/a.damaged") > 0
    assert not place("a.damaged").exists() and place("a").exists()


def test_of_a_group_the_good_ones_stay_when_all_are_made_again():
    cache.obtain([place("a"), place("b")], tree)
    kept = (place("b") / "content").stat().st_ino
    (place("a") / "content").write_text("wrong")
    calls = []
    cache.obtain([place("a"), place("b")], lambda folders: (calls.append(folders), tree(folders)))
    assert [folder.name for folder in calls[0]] == ["a.part", "b.part"]
    assert (place("b") / "content").stat().st_ino == kept
    assert (place("a") / "content").read_text() == "right"


def test_an_artifact_is_read_once_for_its_sums_while_it_stays_as_it_was(monkeypatch):
    cache.obtain([place("a")], tree)
    read, real = [], manifest.records.digest
    monkeypatch.setattr(manifest.records, "digest", lambda p: (read.append(p.name), real(p))[1])
    for _ in range(3):
        cache.obtain([place("a")], tree)
    assert read == ["content", "more"]
    same_length_and_time(place("a"))
    cache.obtain([place("a")], tree)
    assert (place("a") / "content").read_text() == "right"


@pytest.mark.parametrize("ending", [".part", ".damaged"])
@pytest.mark.parametrize("put", ["file", "link", "folder"])
def test_what_stands_in_the_way_goes_and_links_are_not_followed(ending, put, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").touch()
    cache.obtain([place("a")], tree)
    way = place(f"a{ending}")
    {"file": way.touch, "link": lambda: way.symlink_to(victim), "folder": way.mkdir}[put]()
    (place("a") / "content").write_text("wrong")
    cache.obtain([place("a")], tree)
    assert (place("a") / "content").read_text() == "right"
    assert [path.name for path in victim.iterdir()] == ["precious"]


@pytest.mark.parametrize("name", ["a.lock", "."])
def test_links_where_locks_and_kinds_belong_are_refused(name, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("precious")
    path = place(name)
    path.parent.mkdir(parents=True)
    path.symlink_to(victim / "file" if name == "a.lock" else victim)
    with pytest.raises(LabError, match="is a link"):
        cache.obtain([place("a")], tree)
    assert (victim / "file").read_text() == "precious" and len(list(victim.iterdir())) == 1


@pytest.mark.parametrize("value", ["file", "file/below", "~nobody-of-this-name/x", "x" * 300])
def test_a_cache_that_cannot_be_is_one_line_before_anything_is_made(value, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SUBLIMINAL_CACHE", value if value[0] == "~" else str(tmp_path / value))
    with pytest.raises(LabError, match=r"SUBLIMINAL_CACHE|too long") as problem:
        cache.obtain([place("a")], lambda _: pytest.fail("made"))
    assert len(str(problem.value).splitlines()) == 1


def test_a_full_disk_is_one_line_and_loses_no_other_artifact(monkeypatch):
    cache.obtain([place("a")], tree)

    def full(folder, name):
        raise OSError(28, "No space left on device", str(folder / manifest.NAME))

    monkeypatch.setattr(manifest, "write", full)
    with pytest.raises(
        LabError, match=r"sha256\.json cannot be written \(No space left.*free space"
    ):
        cache.obtain([place("a"), place("b")], tree)
    assert {path.name for path in place("a").parent.iterdir() if path.is_dir()} == {"a"}
