import gzip
import http.server
import io
import os
import shutil
import threading
import tracemalloc
from typing import ClassVar

import numpy as np
import pytest

from lab.errors import LabError
from lab.mnist import images

on_disk = all(images._find(images._mnist_folder(None), f) for f in images._FILES)
needs_mnist = pytest.mark.skipif(
    not on_disk, reason=f"MNIST is not on disk; name its folder in ${images.VARIABLE}"
)


def test_digits_are_the_1797_images_split_once_and_for_all(digits):
    assert digits.train_images.shape == (1438, 784)
    assert digits.test_images.shape == (359, 784)
    assert digits.test_images.max() == 255
    assert (np.bincount(digits.test_labels, minlength=10) > 20).all()
    everything = {row.tobytes() for row in digits.train_images}
    assert not everything & {row.tobytes() for row in digits.test_images}
    assert digits.sha256[:8] == "36d25a5c"  # what committed tables were made with


def test_auto_takes_the_digits_when_mnist_is_not_on_disk_and_asks_no_network(monkeypatch, tmp_path):
    monkeypatch.setenv(images.VARIABLE, str(tmp_path))
    monkeypatch.setattr(images.urllib.request, "urlopen", lambda *a, **k: pytest.fail("network"))
    assert images.load("auto").name == "digits"


@needs_mnist
def test_mnist_has_its_known_shapes_and_labels():
    data = images.load("mnist")
    assert data.train_images.shape == (60_000, 784)
    assert data.test_images.shape == (10_000, 784)
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(data.test_labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009
    ]  # fmt: skip


@pytest.fixture
def copy(tmp_path):
    folder = images._mnist_folder(None)
    for file in images._FILES:
        found = images._find(folder, file)
        shutil.copy(found, tmp_path / found.name)
    return tmp_path


@needs_mnist
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.unlink(), "has no file train-labels"),
        (lambda p: p.write_bytes(p.read_bytes()[:-100]), "cannot be read"),
        (lambda p: p.write_bytes(gzip.compress(b"\0" * 60_008)), "is not MNIST's"),
        (lambda p: p.write_bytes(b"hello"), "cannot be read"),
    ],
)
def test_damaged_files_are_named(copy, damage, message):
    damage(copy / "train-labels-idx1-ubyte.gz")
    with pytest.raises(LabError, match=message) as error:
        images.load("mnist", copy)
    assert "\n" not in str(error.value)
    assert str(copy) in str(error.value)


@pytest.fixture(scope="module")
def bomb(tmp_path_factory):
    """200 MB of zeros in a file of 0.9 MB."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(200):
            file.write(bytes(10**6))
    return path


def peak_mb(call):
    """Most megabytes that Python had allocated during a call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 10**6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("file", images._FILES)
@pytest.mark.parametrize("packed", [True, False], ids=["bomb", "sparse"])
def test_a_file_that_holds_too_much_is_read_no_further_than_mnists_is_long(
    bomb, tmp_path, file, packed
):
    if packed:
        shutil.copy(bomb, tmp_path / f"{file}.gz")
    else:
        with (tmp_path / file).open("wb") as sparse:
            sparse.truncate(10**12)

    def read():
        with pytest.raises(LabError, match=f"{file}.* is not MNIST's .more than .*delete it"):
            images._checked(tmp_path, file)

    assert peak_mb(read) < 3 + 1.1 * images._N_BYTES[file] / 10**6


def test_a_mirror_that_serves_a_bomb_is_passed_over_and_unpacked_no_further(
    bomb, tmp_path, monkeypatch
):
    monkeypatch.setattr(images.urllib.request, "urlopen", lambda url, timeout: Reply(bomb))

    def download():
        with pytest.raises(LabError, match=r"no mirror served .*more than 47,040,016 bytes"):
            images.download(tmp_path)

    assert peak_mb(download) < 60
    assert not list(tmp_path.glob("*ubyte*"))


class Reply(io.FileIO):
    """What a mirror answers that says nothing of its length."""

    length = None


@pytest.mark.parametrize("damage", [os.mkfifo, os.mkdir, lambda p: os.symlink("/dev/zero", p)])
@needs_mnist
def test_what_is_no_file_is_not_opened_in_its_place(copy, damage):
    path = copy / "train-labels-idx1-ubyte.gz"
    path.unlink()
    damage(path)
    with pytest.raises(LabError, match="has no file train-labels"):
        images.load("mnist", copy)


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    """A server on the loopback with a broken mirror and a good one."""

    class Handler(http.server.BaseHTTPRequestHandler):
        asked: ClassVar[list[str]] = []

        def do_GET(self):
            self.asked.append(self.path)
            name = self.path.rsplit("/", 1)[1].removesuffix(".gz")
            found = images._find(images._mnist_folder(None), name)
            content = b"\x1f\x8b stub" if self.path.startswith("/broken") else found.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(images, "MIRRORS", (f"{address}/broken/", f"{address}/good/"))
    yield Handler
    server.shutdown()
    server.server_close()


@needs_mnist
def test_download_passes_over_a_broken_mirror_and_checks_what_it_gets(mirror, tmp_path):
    target = tmp_path / "mnist"
    images.download(target)
    assert images.mnist(target).sha256 == images.load("mnist").sha256
    assert {path.split("/")[1] for path in mirror.asked} == {"broken", "good"}
    before = len(mirror.asked)
    images.download(target)
    assert len(mirror.asked) == before  # nothing is fetched twice


@needs_mnist
def test_a_download_follows_no_link_and_replaces_no_folder(mirror, tmp_path):
    target, victim = tmp_path / "mnist", tmp_path / "victim"
    target.mkdir()
    victim.write_text("mine")
    (target / "t10k-labels-idx1-ubyte.gz").symlink_to(tmp_path / "nowhere")
    (target / "train-labels-idx1-ubyte.gz.part").symlink_to(victim)
    folder = target / "t10k-images-idx3-ubyte.gz"
    folder.mkdir()
    with pytest.raises(LabError, match=f"{folder.name} is a folder"):
        images.download(target)
    folder.rmdir()
    images.download(target)
    assert images.mnist(target).name == "mnist"
    assert victim.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_no_network_is_one_clear_line(monkeypatch, tmp_path):
    monkeypatch.delenv(images.VARIABLE, raising=False)
    monkeypatch.setenv("SUBLIMINAL_CACHE", str(tmp_path))
    monkeypatch.setattr(images, "MIRRORS", ("http://127.0.0.1:9/",))  # nobody listens there
    with pytest.raises(LabError, match="no mirror served") as error:
        images.load("mnist")
    assert "\n" not in str(error.value)
    assert "--dataset digits" in str(error.value)
    assert not list((tmp_path / "mnist").glob("*ubyte*"))
