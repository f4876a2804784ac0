"""What is committed can be made again: keep merges, describes, and refuses what has no commit."""

import json
import subprocess
import sys

import pytest

from experiments import keep
from lab.errors import LabError
from lab.runs import provenance, results
from tests.process import ROOT
from tests.stored import change, sitting

HEAD = subprocess.run(
    ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.strip()
CLEAN = {"commit": HEAD, "dirty": False}


@pytest.fixture
def made(tmp_path):
    """A run folder of four members, as if they had just been run."""
    rows, record = results.read(keep.RESULTS / "mnist_aux_logits_digits.json")
    folder = tmp_path / "run"
    folder.mkdir()
    some = [row for row in rows if row["member"] < 4]
    config = record["config"] | {"members": "4"}
    results.write(folder / "run.json", some, record | {"config": config})
    return folder


@pytest.fixture
def kept(made, tmp_path, monkeypatch):
    """Keeps the run as if its sittings had been at these commits; the record that it writes."""
    monkeypatch.setattr(keep, "RESULTS", tmp_path)
    monkeypatch.setattr(keep, "PICTURES", tmp_path / "png")

    def of(*gits):
        sittings = [sitting() | {"git": git, "processes": i} for i, git in enumerate(gits)]
        change(made / "run.json", sittings=sittings)
        keep.keep("a_table", [made])
        return results.read_record(tmp_path / "a_table.json")

    return of


def test_a_table_is_kept_with_its_record_and_its_figure(kept, made, tmp_path):
    record = kept(CLEAN, CLEAN)
    assert [sitting["processes"] for sitting in record["sittings"]] == [0, 1]
    assert record["claims"]
    assert results.read_rows(tmp_path / "a_table.csv") == results.read_rows(made / "table.csv")
    assert (tmp_path / "png" / "a_table.png").stat().st_size > 5_000


def test_what_was_measured_of_another_tables_replays_goes_with_it(kept, tmp_path, monkeypatch):
    spread = tmp_path / "replay.json"
    known = {"a_table": {"as made": {"accuracy": [0.0, 0.1]}}, "other": {"as made": {}}}
    spread.write_text(json.dumps(known))
    asked, forget = [], keep.forget
    monkeypatch.setattr(
        keep, "forget", lambda path, name: asked.append(path) or forget(spread, name)
    )
    kept(CLEAN)
    assert json.loads(spread.read_text()) == {"other": {"as made": {}}}
    keep.keep("a_table", [])  # the same table, said anew
    assert asked == [tmp_path.parent / "replay.json"]


def test_what_a_kept_table_says_is_said_anew_by_the_present_rules(kept, tmp_path):
    record = kept(CLEAN)
    path = tmp_path / "a_table.json"
    change(path, claims=[], command="")
    keep.keep("a_table", [])
    assert results.read_record(path) == record
    with pytest.raises(LabError, match="another_table"):
        keep.keep("another_table", [])


@pytest.mark.parametrize("name", ["../x", "a/b", "", "A", "x" * 100, "a\n"])
def test_only_a_plain_name_is_kept(name, made, tmp_path, monkeypatch):
    monkeypatch.setattr(keep, "RESULTS", tmp_path / "results")
    with pytest.raises(LabError, match="name: "):
        keep.keep(name, [made])
    assert not (tmp_path / "results").exists()


def test_nothing_is_written_through_a_link_and_a_changed_run_is_not_kept(kept, made, tmp_path):
    (tmp_path / "aside").write_text("not yours")
    (tmp_path / "a_table.json").symlink_to(tmp_path / "aside")
    with pytest.raises(LabError, match=r"a_table.json is a link"):
        kept(CLEAN)
    (tmp_path / "a_table.json").unlink()
    table = made / "table.csv"
    table.write_text(table.read_text().replace("student_aux", "student_all"))
    with pytest.raises(LabError, match=r"table.csv was changed.*--fresh"):
        kept(CLEAN)
    assert not list(tmp_path.glob("a_table*"))
    assert (tmp_path / "aside").read_text() == "not yours"


def test_a_committed_table_that_was_edited_is_not_said_anew(kept, tmp_path):
    kept(CLEAN)
    table, record = tmp_path / "a_table.csv", tmp_path / "a_table.json"
    before = record.read_bytes()
    table.write_text(table.read_text()[:-30])
    with pytest.raises(LabError, match=r"a_table.csv was changed .*git checkout -- "):
        keep.keep("a_table", [])
    assert record.read_bytes() == before


@pytest.mark.parametrize(
    ("git", "why"),
    [
        (CLEAN | {"dirty": True}, "uncommitted changes"),
        ({"commit": "0" * 40, "dirty": False}, "not in the history"),
        (None, "outside of a clone"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_run_that_nobody_could_make_again_is_refused(git, why, first, kept, tmp_path):
    with pytest.raises(LabError, match=f"git: .*{why}.*--fresh") as error:
        kept(*((git, CLEAN) if first else (CLEAN, git)))
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("a_table*"))


def test_commits_of_the_history_are_known_from_those_of_another_branch(tmp_path, monkeypatch):
    def git(*words):
        who = ("-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(tmp_path), *who, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-b", "main")
    commits = []
    for branch in ("main", "aside", "main"):
        git("checkout", "-B", branch, *commits[:1])
        git("commit", "--allow-empty", "-m", f"{len(commits)}")
        commits.append(git("rev-parse", "HEAD"))
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    first, aside, last = ({"git": {"commit": one, "dirty": False}} for one in commits)
    provenance.require_clean({"sittings": [first, last]})
    for sittings in ([aside], [first, aside], [aside, last]):
        with pytest.raises(LabError, match=f"commit {commits[1][:8]} .*not in the history"):
            provenance.require_clean({"sittings": sittings})
    # What a record calls a commit is none of git's options.
    with pytest.raises(LabError, match="not in the history"):
        provenance.require_clean({"sittings": [{"git": {"commit": "--help", "dirty": False}}]})


def test_keep_says_so_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.keep", "Bad name", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith("error: name: ")
