"""Who may import whom, and which files must not need jax."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("lab", "theory", "figures", "experiments", "benchmarks", "notebooks")
ALLOWED = {
    "lab": {"lab"},
    "theory": {"lab", "theory"},
    "figures": {"lab", "figures"},
    "experiments": {"lab", "theory", "figures", "experiments"},
}
LEAVES = ("rng", "losses", "stats", "errors", "published")
FIGURES_MAY_USE = {"lab.results", "lab.published", "lab.stats", "lab.effects"}


def imported(path: Path) -> set[str]:
    """Dotted names of our own modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] in PACKAGES}


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_import_downwards_only(package):
    for path in (ROOT / package).rglob("*.py"):
        wrong = {n for n in imported(path) if n.split(".")[0] not in ALLOWED[package]}
        assert not wrong, f"{path.name} imports {wrong}"


@pytest.mark.parametrize("leaf", LEAVES)
def test_leaves_import_nothing_of_ours(leaf):
    assert not imported(ROOT / "lab" / f"{leaf}.py")


def test_models_know_no_training_and_training_knows_no_model():
    assert imported(ROOT / "lab" / "mlp.py") == {"lab.rng"}
    assert not any("mlp" in name for name in imported(ROOT / "lab" / "ensemble.py"))


def test_figures_use_results_only():
    for path in (ROOT / "figures").glob("*.py"):
        ours = {n for n in imported(path) if n.startswith("lab")}
        assert all(any(n.startswith(m) for m in FIGURES_MAY_USE) for n in ours), path.name


def test_figures_draw_without_jax():
    modules = [f"figures.{p.stem}" for p in (ROOT / "figures").glob("*.py") if p.stem != "__init__"]
    code = f"import sys, {', '.join(modules)}; assert 'jax' not in sys.modules"
    # jaxtyping looks for jax by itself when an annotation is checked, not when it is read.
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_files_are_short():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 400, path
