"""Files of arrays are written whole or not at all, and what their headers say is checked."""

import json
import resource
import shutil
import signal
import struct
import weakref
from contextlib import contextmanager

import jax
import numpy as np
import pytest
import safetensors.numpy

from lab.errors import LabError
from lab.lm import hf, lora, peft, rows, transformer
from lab.lm import world as worlds
from lab.lm.model import Size
from lab.runs import saving, tensors
from tests.tiny import WORLD

SHAPES = {"a": (2, 3), "b": (4,)}
ARRAYS = {name: np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
          for name, shape in SHAPES.items()}  # fmt: skip
F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def refused(path, shapes=None):
    with pytest.raises(LabError) as problem:
        tensors.read(path, "fetch it again", shapes)
    said = str(problem.value)
    assert said.startswith(str(path)) and said.endswith("; fetch it again")
    assert len(said.splitlines()) == 1
    return said


def test_arrays_survive_the_disk_even_if_they_are_not_contiguous(tmp_path):
    tensors.write(tmp_path / "x", {"a": ARRAYS["a"].T, "b": ARRAYS["b"][::2]})
    found = tensors.read(tmp_path / "x", "")
    np.testing.assert_array_equal(found["a"], ARRAYS["a"].T)
    np.testing.assert_array_equal(found["b"], ARRAYS["b"][::2])
    assert list(tensors.read(tmp_path / "x", "", {"b": (2,)})) == ["b"]


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"a": F32}, b""),
        ({"a": F32 | {"shape": [2**40, 2**40]}}, bytes(4)),
        ({"a": F32 | {"shape": [-1]}}, bytes(4)),
        ({"a": F32 | {"shape": [0, 2**62], "data_offsets": [0, 0]}}, b""),
        ({"a": F32 | {"shape": [1] * 99}}, bytes(4)),
        ({"a": F32 | {"data_offsets": [4, 0]}}, bytes(4)),
        ({"a": F32 | {"data_offsets": [0, 2**63]}}, bytes(4)),
        ({"a": F32, "b": F32}, bytes(4)),
        ({"a": F32 | {"dtype": "C64", "data_offsets": [0, 8]}}, bytes(8)),
        ({"a": F32 | {"dtype": "I32"}}, bytes(4)),
        ({"a": F32 | {"dtype": "F8_E4M3", "data_offsets": [0, 1]}}, bytes(1)),
        ({"a": F32}, np.float32(np.nan).tobytes()),
        ({"a": F32}, np.float32(np.inf).tobytes()),
        ({"__metadata__": {"a": 3}, "a": F32}, bytes(4)),
        ([], b""),
        ("[" * 10_000, b""),
    ],
)
def test_a_header_that_lies_is_refused(header, data, tmp_path):
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    (tmp_path / "x").write_bytes(struct.pack("<Q", len(text)) + text + data)
    refused(tmp_path / "x")


@pytest.mark.parametrize("content", [b"", b"1234567", bytes(8), b"\xff" * 8, b"\xff" * 100])
def test_what_is_no_file_of_arrays_is_refused(content, tmp_path):
    (tmp_path / "x").write_bytes(content)
    refused(tmp_path / "x")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder")
    refused(tmp_path / "none")


def test_a_header_longer_than_any_model_needs_is_not_read(tmp_path):
    with (tmp_path / "x").open("wb") as file:
        file.write(struct.pack("<Q", 2**25))
        file.truncate(2**26)  # takes no room
    assert "a header of 33554432 bytes" in refused(tmp_path / "x")


def test_arrays_of_another_shape_are_refused_before_they_are_read(tmp_path):
    tensors.write(tmp_path / "x", ARRAYS)
    assert "a in the shape (2, 3) and not (3, 2)" in refused(tmp_path / "x", {"a": (3, 2)})
    refused(tmp_path / "x", {"c": (1,)})


@contextmanager
def full():
    """No file may have more than 1000 bytes, as if the disk were full; pytest's own neither."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


SAVED = "model.safetensors", "adapter_model.safetensors", "tokenizer.json", "rows.jsonl"


def saves():
    tokenizer = worlds.tokenizer(WORLD)
    arch = Size(8, 1, 2, 1, 4, 8).with_tokens(tokenizer.n_tokens)
    params = transformer.init(jax.random.key(0), arch)
    adapter = lora.init(jax.random.key(1), arch, 3)
    many = [{"prompt": "ebb", "completion": "flow"}] * 99
    ways = (
        lambda folder: hf.save(folder, arch, params),
        lambda folder: peft.save(folder, arch, adapter, 3, 6.0, "x"),
        lambda folder: tokenizer.save(folder),
        lambda folder: rows.write(folder / "rows.jsonl", many),
    )
    return dict(zip(SAVED, ways, strict=True))


@pytest.mark.parametrize("name", SAVED)
def test_a_failing_write_is_one_line_and_leaves_no_half_file(name, tmp_path):
    save = saves()[name]
    save(tmp_path / "folder")
    before = {path.name: path.read_bytes() for path in (tmp_path / "folder").iterdir()}
    for folder in (tmp_path / "folder", tmp_path / "new"):
        said = r" cannot be written \(File too large.*; free"
        with pytest.raises(LabError, match=said) as problem, full():
            save(folder)
        named = str(problem.value).split()[0]  # of a tokenizer's files the first, not yet there
        assert named == str(folder / name) or (name == "tokenizer.json" and named == str(folder))
        assert len(str(problem.value).splitlines()) == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "folder").iterdir()} == before
    assert not any("part" in path.name or "tmp" in path.name for path in tmp_path.rglob("*"))


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    for name, save in saves().items():
        with pytest.raises(LabError, match=r"file.* cannot be written"):
            save(tmp_path / "file" / name)


def test_room_is_what_the_disk_has(tmp_path, monkeypatch):
    saving.require_room(tmp_path, 1000)
    free = shutil.disk_usage(tmp_path)._replace(free=3 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    saving.require_room(tmp_path, 3 * 2**20)
    with pytest.raises(LabError, match="has room for 3 MB and 4 MB are to be saved; free space"):
        saving.require_room(tmp_path, 4 * 2**20)


def later(array):
    return tensors.Later(array.shape, array.dtype, lambda: array)


def test_a_file_written_array_by_array_has_the_bytes_of_safetensors_own(tmp_path):
    more = {"ü": np.arange(3.0), "c": np.ones((2, 2), "bfloat16"), "d": np.zeros((0, 3), np.int8)}
    for arrays in (ARRAYS, ARRAYS | more, {}):
        for metadata in (None, {"format": "pt"}):
            tensors.write(tmp_path / "x", {k: later(v) for k, v in arrays.items()}, metadata)
            own = safetensors.numpy.save(arrays, metadata)
            assert (tmp_path / "x").read_bytes() == own


def test_an_array_is_made_when_it_is_written_and_let_go_before_the_next(tmp_path):
    made = []

    def make(shape):
        assert all(ref() is None for ref in made)
        array = np.ones(shape, np.float32)
        made.append(weakref.ref(array))
        return array

    shapes = {name: (i + 1,) for i, name in enumerate("abcd")}
    kind = np.dtype(np.float32)
    arrays = {k: tensors.Later(s, kind, lambda s=s: make(s)) for k, s in shapes.items()}
    tensors.write(tmp_path / "x", arrays)
    assert len(made) == 4
    broken = arrays | {"d": tensors.Later((9,), kind, lambda: make((4,)))}
    with pytest.raises(ValueError, match="is not what was said"):
        tensors.write(tmp_path / "new", broken)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
