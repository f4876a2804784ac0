"""Records and tables are believed where they are whole, of their kind, and as they were written."""

import json
import os
import re

import pytest

from lab.errors import LabError
from lab.runs import records, results, rows
from lab.runs.records import Progress, Record
from tests.stored import change, record, store

ROWS = [{"arm": a, "member": m, "step": 1, "accuracy": 0.5} for a in "ab" for m in (0, 1)]


def refused(read, *words):
    """The message with which something is refused, one line that holds these words."""
    with pytest.raises(LabError) as error:
        read()
    text = str(error.value)
    assert "\n" not in text and len(text) < 600
    assert all(re.search(word, text) for word in words), text


TEXTS = {
    "a list": "[]",
    "a number": "3",
    "null": "null",
    "nothing": "",
    "cut": '{"a": {',
    "deep": "[" * 100_000,
    "deep and whole": "[" * 900 + "]" * 900,
    "a number of 5000 digits": '{"a": ' + "9" * 5000 + "}",
    "nan": '{"a": NaN}',
    "infinite": '{"a": 1e999}',
    "two values": "{} {}",
    "empty": "{}",
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_file_that_is_no_record_is_one_line_with_its_remedy(name, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(TEXTS[name])
    for sealed in (True, False):
        read = lambda sealed=sealed: records.read(path, Record, "use --fresh", sealed)
        refused(read, "run.json", "use --fresh$")


def test_bytes_folders_pipes_and_nothing_are_no_record_either(tmp_path):
    read = lambda: records.read(path, Record, "use --fresh")
    path = tmp_path / "run.json"
    refused(read, "run.json cannot be read", "--fresh")
    path.write_bytes(b'{"a": "\xff"}')
    refused(read, "run.json is damaged", "--fresh")
    path.unlink()
    path.mkdir()
    refused(read, "run.json is no file", "--fresh")
    path.rmdir()
    os.mkfifo(path)  # reading it would wait for ever
    refused(read, "run.json is no file", "--fresh")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("config", None),
        ("config", []),
        ("dataset", {}),
        ("dataset", {"name": 3}),
        ("status", "done"),
        ("experiment", 3),
        ("wall_seconds", "x"),
        ("wall_seconds", -1),
        ("peak_memory_mb", 10**30),
        ("sittings", []),
        ("sittings", [{}]),
        ("sittings", {}),
        ("table", "x"),
        ("units", ["accuracy"]),
        ("cell", "member"),
        ("claims", [{}]),
        ("claims", [{"text": "a", "mean": "x", "low": 0, "high": 0, "n": 1}]),
        ("claims", [{"text": "a", "mean": 1, "low": 0, "high": 0, "n": 1, "more": 1}]),
    ],
)
def test_a_field_of_another_type_is_one_line_even_under_a_new_seal(field, value, tmp_path):
    path = store(tmp_path / "run.json", ROWS)
    change(path, **{field: value})
    refused(lambda: results.read_record(path), r"run.json is damaged \(.*\); rerun with --fresh")


@pytest.mark.parametrize("field", ["table", "units", "cell", "claims", "command", "config"])
def test_a_complete_record_lacks_no_field(field, tmp_path):
    path = store(tmp_path / "run.json", ROWS)
    known = records.read(path, dict, "", sealed=True)
    records.write(path, {k: v for k, v in known.items() if k != field}, sealed=True)
    refused(lambda: results.read_record(path), "run.json is damaged", field)


def test_a_changed_letter_breaks_the_seal_and_other_white_space_does_not(tmp_path):
    path = store(tmp_path / "a_table.json", ROWS)
    known = results.read_record(path)
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(whole))
    assert results.read_record(path) == known
    path.write_text(json.dumps(whole | {"command": "y"}))
    refused(lambda: results.read_record(path), "a_table.json was changed", "git checkout -- .*json")
    del whole["sha256"]
    path.write_text(json.dumps(whole))
    refused(lambda: results.read_record(path), "a_table.json was changed")


def test_a_nan_is_not_written(tmp_path):
    refused(lambda: records.write(tmp_path / "a.json", {"a": float("nan")}), "a.json", "nan")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["run.json", "a_table.json"])
def test_a_table_that_is_missing_cut_edited_or_a_link_is_not_the_one_of_its_record(name, tmp_path):
    path = store(tmp_path / name, ROWS)
    table = results.table_of(path)
    whole = table.read_bytes()
    words = table.name, "--fresh" if name == "run.json" else "git checkout -- .*csv"
    assert results.read(path)[0] == ROWS
    for changed in (whole[:-20], whole.replace(b"0.5", b"0.6", 1), b"", whole + whole):
        table.write_bytes(changed)
        refused(lambda: results.read(path), "was changed after it was written", *words)
    table.unlink()
    refused(lambda: results.read(path), "cannot be read", *words)
    (tmp_path / "elsewhere").write_bytes(whole)
    table.symlink_to(tmp_path / "elsewhere")
    refused(lambda: results.read(path), "is a link", *words)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "arm,member\n",
        "arm,member\na\n",
        "arm,member\na,0,1\n",
        "arm,member,member\na,0,0\n",
        "member,accuracy\n0,0.5\n",
        "arm,member,accuracy\n1,0,0.5\n",
        "arm,member,accuracy\na,x,0.5\n",
        "arm,member,accuracy\na,0.5,0.5\n",
        "arm,member,accuracy\na,0,high\n",
        "arm,member,accuracy\na,0,\n",
        f"arm,member,accuracy\na,{2**63},0.5\n",
        "arm,member,step,accuracy\na,0,first,0.5\n",
        'arm,member,accuracy\n"a,0,0.5\n',
        "arm,member,accuracy\na," + "9" * 200_000 + ",0\n",
        "arm,member\na,0\n",
    ],
)
def test_a_table_of_other_columns_or_values_is_one_line(text, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(text)
    refused(lambda: results.read_rows(path, ["member"], ["accuracy"]), "table.csv", "--fresh")


def test_a_table_that_is_no_text_is_one_line(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"arm,member\n\xff,0\n")
    refused(lambda: results.read_rows(path), "table.csv is not a table of the lab", "--fresh")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e200])
def test_a_table_with_a_nan_is_never_complete_and_says_whose_it_is(value, tmp_path):
    some = [row | {"accuracy": value} if row["member"] else row for row in ROWS]
    words = "accuracy: ", "arm 'a', member 1", "learning rate"
    refused(lambda: store(tmp_path / "run.json", some), *words)
    refused(lambda: rows.require_finite(some), *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("label", []),
        ("checkpoint", "checkpoint/1/../../victim"),
        ("checkpoint", "/etc"),
        ("checkpoint", "checkpoint/one"),
        ("files", "0"),
        ("seconds", "x"),
        ("seconds", 10**400),
        ("run", None),
    ],
)
def test_a_progress_note_names_a_checkpoint_of_its_own_folder_alone(field, value, tmp_path):
    known = {"run": "x/0", "label": {}, "checkpoint": None, "files": None, "seconds": 1.5}
    path = tmp_path / "progress.json"
    records.write(path, known, sealed=True)
    assert records.read(path, Progress, "", sealed=True) == known
    records.write(path, known | {field: value}, sealed=True)
    read = lambda: records.read(path, Progress, "use --fresh", sealed=True)
    refused(read, f"progress.json is damaged .*{field}", "use --fresh")


def test_the_record_that_tests_use_is_one(tmp_path):
    assert results.read_record(store(tmp_path / "run.json", ROWS)).items() >= record().items()
