"""What is committed can be made again: keep merges, describes, and refuses what has no commit."""

import subprocess
import sys

import pytest

from experiments import keep
from lab.errors import LabError
from lab.runs import provenance, results
from tests.process import ROOT

HEAD = subprocess.run(
    ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.strip()
CLEAN = {"commit": HEAD, "dirty": False}


@pytest.fixture
def made(tmp_path):
    """A run folder of four members, as if they had just been run."""
    folder = tmp_path / "run"
    folder.mkdir()
    stored = keep.RESULTS / "theorem"
    rows = [row for row in results.read_rows(stored.with_suffix(".csv")) if row["member"] < 4]
    results.write_table(folder / "table.csv", rows)
    record = results.read_json(stored.with_suffix(".json")) | {"config": {"members": "4"}}
    results.write_json(folder / "run.json", record)
    return folder


@pytest.fixture
def kept(made, tmp_path, monkeypatch):
    """Keeps the run as if its sittings had been at these commits; the record that it writes."""
    monkeypatch.setattr(keep, "RESULTS", tmp_path)
    monkeypatch.setattr(keep, "PICTURES", tmp_path / "png")

    def of(*gits):
        path = made / "run.json"
        sittings = [{"git": git, "processes": i} for i, git in enumerate(gits)]
        results.write_json(path, results.read_json(path) | {"sittings": sittings})
        keep.keep("a_table", [made])
        return results.read_json(tmp_path / "a_table.json")

    return of


def test_a_table_is_kept_with_its_record_and_its_figure(kept, made, tmp_path):
    record = kept(CLEAN, CLEAN)
    assert [sitting["processes"] for sitting in record["sittings"]] == [0, 1]
    assert record["claims"]
    assert results.read_rows(tmp_path / "a_table.csv") == results.read_rows(made / "table.csv")
    assert (tmp_path / "png" / "a_table.png").stat().st_size > 5_000


def test_what_a_kept_table_says_is_said_anew_by_the_present_rules(kept, tmp_path):
    record = kept(CLEAN)
    path = tmp_path / "a_table.json"
    results.write_json(path, record | {"claims": [], "units": {}})
    keep.keep("a_table", [])
    assert results.read_json(path) == record
    with pytest.raises(LabError, match="another_table"):
        keep.keep("another_table", [])


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
    provenance.require_clean({"sittings": [first, last], "git": None})
    provenance.require_clean(first)  # as a record of an earlier version has it
    for sittings in ([aside], [first, aside], [aside, last]):
        with pytest.raises(LabError, match=f"commit {commits[1][:8]} .*not in the history"):
            provenance.require_clean({"sittings": sittings})
    with pytest.raises(LabError, match="outside of a clone"):
        provenance.require_clean({})


def test_keep_says_so_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.keep", "Bad name", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith("error: name: ")
