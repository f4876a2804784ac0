"""What the environment says of devices and of the cache is used, or refused in one line."""

import os
import subprocess
import sys
import zlib

import pytest

from lab.runs import compiled
from tests.process import ROOT

PROGRAM = """
import sys
from lab import devices
from lab.errors import LabError
try:
    devices.start()
except LabError as error:
    sys.exit(f"error: {error}")
import jax, jax.numpy as jnp
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
x = jnp.arange(12.0).reshape(3, 4)
of = (jnp.tanh, jnp.sin, jnp.cos, jnp.exp, jnp.sinh)
print(*(float(jax.jit(lambda x, f=f: f(x).sum())(x)) for f in of))
"""


def start(**env):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=120,
        env={k: v for k, v in os.environ.items() if not k.startswith("JAX_COMPIL")} | env,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("JAX_PLATFORMS", "nonsense", "no devices of 'nonsense'"),
        ("JAX_COORDINATOR_ADDRESS", "nonsense", "as host:port"),
        ("SUBLIMINAL_CACHE", __file__, "Not a directory"),
    ],
)
def test_a_wrong_environment_is_one_line(name, value, words):
    hosts = {"JAX_NUM_PROCESSES": "1", "JAX_PROCESS_ID": "0"}
    status, _, err = start(**{name: value}, **hosts)
    assert status == 1
    assert len(err.splitlines()) == 1 and err.startswith("error: ")
    assert name in err and words in err


@pytest.mark.parametrize("of", ["JAX_NUM_CPU_DEVICES", "JAX_ENABLE_X64", "JAX_TRACEBACK_FILTERING"])
def test_a_setting_that_jax_refuses_at_its_import_is_one_line(of):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.theorem", "smoke"], cwd=ROOT, capture_output=True,
        text=True, timeout=120, env=os.environ | {of: "perhaps"},
    )  # fmt: skip
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ") and of.lower() in done.stderr.lower()


def test_a_reader_that_goes_away_is_one_line(tmp_path):
    with start_toy(tmp_path) as child:
        child.stdout.close()
        (line,) = child.stderr.read().splitlines()
    assert child.returncode == 2
    assert line.startswith("error: stdout: nobody reads it any more")


def start_toy(folder):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.toy", "--out", str(folder)], cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_damaged_compiled_programs_change_nothing_and_are_compiled_again(tmp_path):
    folder = tmp_path / "compiled"
    status, right, err = start(SUBLIMINAL_CACHE=str(tmp_path))
    assert status == 0, err
    noise, short, empty, no_file, other = files = sorted(folder.glob("jit__lambda*-cache"))
    noise.write_bytes(os.urandom(3000))
    short.write_bytes(short.read_bytes()[:500])
    other.write_bytes(no_file.read_bytes())  # JAX would run it
    empty.write_bytes(b"")
    no_file.unlink()
    no_file.mkdir()
    assert start(SUBLIMINAL_CACHE=str(tmp_path)) == (0, right, "")
    kept = {path: path.read_bytes() for path in files}
    compiled.review(folder)
    assert {path: path.read_bytes() for path in files} == kept


@pytest.mark.parametrize("record", ["[", "{}", '{"a-cache": 1}', None])
def test_without_a_good_record_the_programs_that_can_be_unpacked_stay(record, tmp_path):
    (tmp_path / "a-cache").write_bytes(zlib.compress(b"a program"))
    (tmp_path / "b-cache").write_bytes(zlib.compress(b"another")[:-1])
    if record is not None:
        (tmp_path / "sha256.json").write_text(record)
    compiled.review(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-cache", "sha256.json"]
    (tmp_path / "a-cache").write_bytes(zlib.compress(b"something else"))
    compiled.review(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["sha256.json"]
