"""Nothing is written, emptied or removed outside of a root, whatever names and links say."""

import os

import pytest

from lab.errors import LabError
from lab.runs import paths


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", ["", ".", "..", "../outside", "a/../../outside", "/etc", "a/.."])
def test_a_name_that_does_not_lie_inside_is_refused(name, root):
    with pytest.raises(LabError, match="does not lie inside"):
        paths.inside(root, name)


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "a/" * 3000])
def test_a_name_that_no_file_can_have_is_one_short_line(name, root):
    with pytest.raises(LabError, match="names no file") as error:
        paths.inside(root, name)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_link_is_not_followed_wherever_it_stands_below_the_root(root, outside, tmp_path):
    (root / "a").mkdir()
    (root / "a" / "b").symlink_to(outside)
    (root / "gone").symlink_to(outside / "none")
    for name in ("a/b", "a/b/file", "gone"):
        with pytest.raises(LabError, match=r"is a link, which is not followed; start over"):
            paths.inside(root, name, "start over")
    (tmp_path / "chosen").symlink_to(root)  # the root is the user's own choice
    assert paths.inside(tmp_path / "chosen", "a/c") == tmp_path / "chosen" / "a" / "c"


def test_what_is_written_replaces_a_link_and_leaves_what_it_leads_to(root, outside):
    for name in ("file", "file.part"):
        (root / name).symlink_to(outside / "file")
    paths.write_atomic(root / "file", "ours")
    assert (root / "file").read_text() == "ours" and not (root / "file").is_symlink()
    assert [path.name for path in root.iterdir()] == ["file"]


def test_what_is_removed_is_the_link(root, outside):
    (root / "folder").mkdir()
    (root / "folder" / "link").symlink_to(outside)
    (root / "link").symlink_to(outside)
    for name in ("folder", "link", "not there"):
        paths.remove(root / name)
    assert not list(root.iterdir())


def test_a_lock_is_never_emptied_and_never_a_link(root, outside):
    (root / "lock").write_text("kept")
    paths.open_lock(root / "lock").close()
    assert (root / "lock").read_text() == "kept"
    (root / "other").symlink_to(outside / "file")
    with pytest.raises(LabError, match="is a link"):
        paths.open_lock(root / "other")


def test_a_write_that_fails_names_the_file_and_leaves_what_was_there(root, monkeypatch):
    paths.write_atomic(root / "file", "first")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as error:
        paths.write_atomic(root / "file", "second")
    assert error.value.filename == str(root / "file")
    assert (root / "file").read_text() == "first"
    assert [path.name for path in root.iterdir()] == ["file"]
