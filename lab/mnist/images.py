"""Image classification data: MNIST from its IDX files, and the UCI digits that ship with the lab.

MNIST: LeCun, Cortes and Burges. Digits: Alpaydin and Kaynak (1998), UCI Machine Learning
Repository, doi 10.24432/C50P49, CC BY 4.0 (`lab/data/make_digits.py`).
"""

import gzip
import hashlib
import http.client
import os
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, UInt8
from rich.progress import Progress

from lab import cache
from lab.errors import LabError
from lab.runs.progress import console

NAMES = ("auto", "mnist", "digits")
VARIABLE = "SUBLIMINAL_MNIST"
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
CONNECT_SECONDS = 5

# SHA-256 of the *decompressed* bytes: mirrors compress the same bytes differently.
_FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_LARGEST = 64 * 2**20


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
            f"data_dir: {folder} has no {missing[0]} (nor .gz); "
            f"name a folder with the four IDX files, or leave it out to use the cache"
        )
    download(folder)
    return mnist(folder)


def prepare(config: Any, options: Any) -> tuple[Dataset, dict]:
    """The dataset of a configuration, and what identifies it.

    Raises `LabError` if a batch of labels is larger than the data.
    """
    data = load(config.dataset, options.data_dir)
    if config.teacher.batch > len(data.train_labels):
        raise LabError(
            f"teacher.batch: {config.teacher.batch} is larger than the data; "
            f"use at most {len(data.train_labels)}"
        )
    console.print(f"dataset: {data.name}, {len(data.train_labels):,} training images")
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

    Each file is written beside its place and renamed once its checksum is right.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file, sha256 in _FILES.items():
        if _find(folder, file):
            continue
        causes = []
        for mirror in MIRRORS:
            try:
                content = _fetch(mirror + file + ".gz")
                _require_sha256(file, gzip.decompress(content), sha256)
            except (OSError, EOFError, zlib.error, LabError, http.client.HTTPException) as error:
                causes.append(f"{mirror}: {error}")
                continue
            part = folder / f"{file}.gz.part"
            part.write_bytes(content)
            part.replace(folder / f"{file}.gz")
            break
        else:
            raise LabError(
                f"dataset: no mirror served MNIST's {file} ({'; '.join(causes)}); copy the four "
                f"IDX files to {folder}, name their folder with --data-dir, or use --dataset digits"
            )


def _mnist_folder(data_dir: Path | None) -> Path:
    if data_dir is not None:
        return Path(data_dir).expanduser()
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser()
    return cache.root() / "mnist"


def _find(folder: Path, file: str) -> Path | None:
    candidates = (folder / file, folder / f"{file}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _checked(folder: Path, file: str) -> bytes:
    path = _find(folder, file)
    if path is None:
        raise LabError(f"data_dir: {folder} has no {file}; name a folder with the four IDX files")
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise LabError(
            f"data_dir: {path} cannot be read ({error}); delete it and fetch it again"
        ) from error
    _require_sha256(str(path), content, _FILES[file])
    return content


def _require_sha256(name: str, content: bytes, sha256: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise LabError(
            f"data_dir: {name} is not MNIST's (sha256 {found[:8]}..., expected {sha256[:8]}...); "
            f"delete it and fetch it again"
        )


def _fetch(url: str) -> bytes:
    with (
        urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as reply,
        Progress(transient=True) as progress,
    ):
        total = int(reply.headers.get("Content-Length") or 0)
        task = progress.add_task(url.rsplit("/", 1)[1], total=total or None)
        chunks = []
        while chunk := reply.read(2**16):
            chunks.append(chunk)
            progress.update(task, advance=len(chunk))
            if sum(map(len, chunks)) > _LARGEST:
                raise LabError(f"dataset: {url} is larger than any MNIST file")
    return b"".join(chunks)
