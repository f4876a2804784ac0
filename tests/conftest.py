"""Strict settings for every test: checked shapes, no silent promotion, full matmul precision."""

import os
from pathlib import Path

# Before jax and huggingface_hub are imported.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import hypothesis
import jax
import pytest
from jaxtyping import install_import_hook

install_import_hook(["lab", "theory"], "beartype.beartype")

from lab import cache, devices

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_default_matmul_precision", "highest")
jax.config.update("jax_compilation_cache_dir", str(cache.root() / "compiled"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

# The first example of each shape compiles.
hypothesis.settings.register_profile("lab", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.load_profile("lab")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def digits():
    from lab.mnist import images

    return images.digits()


@pytest.fixture(scope="session")
def mesh():
    return devices.mesh()


@pytest.fixture
def command(tmp_path):
    """Runs `python -m experiments.mnist_aux_logits ARGS`; (status, stdout, stderr)."""
    from tests.process import run

    return lambda *args, **env: run(tmp_path, *args, **env)


@pytest.fixture
def outside(tmp_path):
    """A folder beside the roots, which stays as it is."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file").write_text("not yours")
    yield folder
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert (folder / "file").read_text() == "not yours"
