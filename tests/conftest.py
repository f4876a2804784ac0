"""Strict settings for every test: checked shapes, no silent promotion, full matmul precision."""

import os
from importlib.metadata import version
from pathlib import Path

# Before jax and huggingface_hub are imported.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Most of the time was compiling. What these flags give differs from what users run in last digits,
# and takes a fifth of the time to make. Replays of committed tables do without; so does all, under
# `XLA_FLAGS= pytest`.
FLAGS = [
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_parallel_codegen_split_count=1",
    "--xla_cpu_collective_call_terminate_timeout_seconds=1200",  # as `lab.devices` has it
]
if version("jaxlib").startswith("0.10."):  # later ones end at a flag that they do not know
    FLAGS.append("--xla_cpu_use_fusion_emitters=false")
if os.environ["JAX_PLATFORMS"] == "cpu":
    os.environ.setdefault("XLA_FLAGS", " ".join(FLAGS))

import hypothesis
import jax
import pytest
from jaxtyping import install_import_hook

install_import_hook(["lab", "theory"], "beartype.beartype")

from lab import cache, devices

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_default_matmul_precision", "highest")
COMPILED = str(cache.root() / "compiled")
jax.config.update("jax_compilation_cache_dir", COMPILED)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
# Processes that tests start find the same programs, those of tests with a cache of their own too.
os.environ["JAX_COMPILATION_CACHE_DIR"] = COMPILED
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["PYTHONWARNINGS"] = "ignore:Error reading persistent compilation cache"

# The first example of each shape compiles.
hypothesis.settings.register_profile("lab", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.load_profile("lab")

ROOT = Path(__file__).parents[1]
# Begun first, longest first: a long file that is begun last keeps one core while others are idle.
LONG = (
    "run", "mutants", "lm_numbers", "devices", "model_folder", "transmission", "fuzz", "extensions",
    "transmission_effect", "train", "theorem", "coverage", "world", "keep", "finetune", "replay",
    "sharding", "gradient_alignment", "stages", "theory_worked", "theory_failures", "ensemble",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    rank = {f"test_{name}": i for i, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONG)))


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
