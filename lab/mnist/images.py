"""Image classification data: MNIST from its IDX files, and the UCI digits that ship with the lab.

MNIST: LeCun, Cortes and Burges. Digits: Alpaydin and Kaynak (1998), UCI Machine Learning
Repository, doi 10.24432/C50P49, CC BY 4.0 (`lab/data/make_digits.py`).
"""

import fcntl
import gzip
import hashlib
import http.client
import io
import os
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, UInt8
from rich.progress import Progress

from lab import cache
from lab.errors import LabError
from lab.runs import fields, paths
from lab.runs.progress import console

NAMES = ("auto", "mnist", "digits")
VARIABLE = "SUBLIMINAL_MNIST"
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
CONNECT_SECONDS = 5

# Bytes and SHA-256 of the *decompressed* files: mirrors compress the same bytes differently.
_N_BYTES = {
    "train-images-idx3-ubyte": 16 + 60_000 * 784,
    "train-labels-idx1-ubyte": 8 + 60_000,
    "t10k-images-idx3-ubyte": 16 + 10_000 * 784,
    "t10k-labels-idx1-ubyte": 8 + 10_000,
}
_FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_UNREADABLE = (OSError, EOFError, zlib.error)


@dataclass(frozen=True)
class Dataset:
    """Images of 28x28 pixels, flattened, 0..255, with labels 0..9."""

    name: str
    train_images: UInt8[np.ndarray, "N 784"]
    train_labels: Int32[np.ndarray, "N"]
    test_images: UInt8[np.ndarray, "M 784"]
    test_labels: Int32[np.ndarray, "M"]
    n_classes: int = 10

    @property
    def sha256(self) -> str:
        """Digest of the four arrays."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def load(name: str = "auto", data_dir: Path | None = None) -> Dataset:
    """The dataset called `name`.

    "auto" is MNIST if it is on disk, else the digits, and never asks the network. "mnist" downloads
    the four files to the cache when they are nowhere. MNIST is looked for in `data_dir`, else in
    $SUBLIMINAL_MNIST, else in the cache.

    Raises `LabError` for an unknown name and for files that are missing or not MNIST.
    """
    if name not in NAMES:
        raise LabError(f"dataset: unknown name {name!r}; choose one of {', '.join(NAMES)}")
    if name == "digits":
        return digits()
    folder = _mnist_folder(data_dir)
    if all(_find(folder, file) for file in _FILES):
        return mnist(folder)
    if name == "auto" and data_dir is None:
        return digits()
    if data_dir is not None or os.environ.get(VARIABLE):
        missing = [file for file in _FILES if not _find(folder, file)]
        raise LabError(
            f"data_dir: {folder} has no file {missing[0]} (nor .gz); "
            f"name a folder with the four IDX files, or leave it out to use the cache"
        )
    download(folder)
    return mnist(folder)


def prepare(config: Any, options: Any) -> tuple[Dataset, dict]:
    """The dataset of a configuration, and what identifies it.

    Raises `LabError` if the data is smaller than a batch, or has more labels than the network.
    """
    data = load(config.dataset, options.data_dir)
    n, n_classes = len(data.train_labels), data.n_classes
    fields.require(
        config,
        (config.teacher.batch <= n, "teacher.batch", f"{n:,} or less, the images there are"),
        (config.net.n_classes >= n_classes, "net.n_classes", f"{n_classes} or more, the labels"),
    )
    console.print(f"dataset: {data.name}, {n:,} training images")
    return data, {"name": data.name, "sha256": data.sha256}


def digits() -> Dataset:
    """The UCI digits resized to 28x28 bilinearly; a fixed fifth of the 1,797 is the test set."""
    with np.load(Path(__file__).parents[1] / "data" / "digits.npz", allow_pickle=False) as file:
        small, labels, order = file["images"], file["labels"].astype(np.int32), file["order"]
    # In integers, so that every machine makes the same bytes: a large pixel's centre is at a
    # multiple of 1/14 of a small pixel, and so are the two weights, which sum to 14.
    centre = 4 * np.arange(28) - 5
    weight = np.maximum(0, 14 - abs(centre.clip(0, 7 * 14)[:, None] - 14 * np.arange(8)))
    large = weight @ small.astype(np.int64) @ weight.T  # 0 .. 16 * 14 * 14
    images = ((large * 255 * 2 + 3136) // (2 * 3136)).astype(np.uint8).reshape(len(small), 784)
    test, train = order[: len(order) // 5], order[len(order) // 5 :]
    return Dataset("digits", images[train], labels[train], images[test], labels[test])


def mnist(folder: Path) -> Dataset:
    """MNIST from the four IDX files in `folder`, plain or .gz, each checked by its SHA-256."""
    contents = {file: _checked(folder, file) for file in _FILES}
    images = lambda part: np.frombuffer(contents[part], np.uint8, offset=16).reshape(-1, 784)
    labels = lambda part: np.frombuffer(contents[part], np.uint8, offset=8).astype(np.int32)
    return Dataset(
        "mnist",
        images("train-images-idx3-ubyte"),
        labels("train-labels-idx1-ubyte"),
        images("t10k-images-idx3-ubyte"),
        labels("t10k-labels-idx1-ubyte"),
    )


def download(folder: Path) -> None:
    """Fetch MNIST into `folder` from the first mirror that serves the right bytes.

    Each file is written beside its place and renamed once its checksum is right. Two processes that
    download wait for each other.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with paths.open_lock(folder / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for file in _FILES:
            place = folder / f"{file}.gz"
            if place.is_dir():
                raise LabError(f"dataset: {place} is a folder, where a file belongs; remove it")
            if not _find(folder, file):
                paths.write_atomic(place, _served(folder, file))


def _served(folder: Path, file: str) -> bytes:
    """A file, compressed, from the first mirror that serves the right bytes."""
    causes = []
    for mirror in MIRRORS:
        try:
            content = _fetch(mirror + file + ".gz", _most_packed(file))
            _require_sha256(file, _unpacked(file, content, file), file)
            return content
        except (*_UNREADABLE, LabError, http.client.HTTPException) as error:
            causes.append(f"{mirror}: {error}")
    raise LabError(
        f"dataset: no mirror served MNIST's {file} ({'; '.join(causes)}); copy the four "
        f"IDX files to {folder}, name their folder with --data-dir, or use --dataset digits"
    )


def _mnist_folder(data_dir: Path | None) -> Path:
    chosen = data_dir or os.environ.get(VARIABLE)
    return Path(os.path.expanduser(chosen)) if chosen else cache.root() / "mnist"


def _find(folder: Path, file: str) -> Path | None:
    candidates = (folder / file, folder / f"{file}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _checked(folder: Path, file: str) -> bytes:
    path = _find(folder, file)
    if path is None:
        raise LabError(f"data_dir: {folder} has no {file}; name a folder with the four IDX files")
    try:
        with path.open("rb") as stream:
            if path.suffix == ".gz":
                content = _unpacked(str(path), _read(str(path), stream, _most_packed(file)), file)
            else:
                content = _read(str(path), stream, _N_BYTES[file])
    except _UNREADABLE as error:
        raise LabError(
            f"data_dir: {path} cannot be read ({error}); delete it and fetch it again"
        ) from error
    _require_sha256(str(path), content, file)
    return content


def _read(
    name: str, stream: Any, most: int, advance: Callable[[int], Any] = lambda n: None
) -> bytes:
    """All of a stream. Raises `LabError` if it goes on after `most` bytes, and reads no further."""
    chunks, n = [], 0
    while chunk := stream.read(2**16):
        n += len(chunk)
        if n > most:
            raise LabError(
                f"data_dir: {name} is not MNIST's (more than {most:,} bytes); "
                f"delete it and fetch it again"
            )
        chunks.append(chunk)
        advance(len(chunk))
    return b"".join(chunks)


def _most_packed(file: str) -> int:
    """Bytes that a .gz may have: what does not compress grows by a little."""
    return _N_BYTES[file] * 1001 // 1000 + 1024


def _unpacked(name: str, content: bytes, file: str) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
        return _read(name, stream, _N_BYTES[file])


def _require_sha256(name: str, content: bytes, file: str) -> None:
    found, expected = hashlib.sha256(content).hexdigest(), _FILES[file]
    if found != expected:
        raise LabError(
            f"data_dir: {name} is not MNIST's (sha256 {found[:8]}..., expected {expected[:8]}...); "
            f"delete it and fetch it again"
        )


def _fetch(url: str, most: int) -> bytes:
    with (
        urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as reply,
        Progress(transient=True) as progress,
    ):
        task = progress.add_task(url.rsplit("/", 1)[1], total=reply.length or None)
        return _read(url, reply, most, lambda n: progress.update(task, advance=n))
