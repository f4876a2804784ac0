"""Who may import whom, and which files must not need jax."""

import ast
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
# Files of `lab` that import nothing of ours, or no more than this.
LEAVES = {
    "errors": set(),
    "stats": set(),
    "losses": set(),
    "published": set(),
    "optim": {"lab.runs.fields", *(f"lab.runs.fields.{r}" for r in ("FRACTION", "Count", "Real"))},
    "rng": {"lab.kernels.threefry.threefry"},
}
FIGURES_MAY_USE = {
    *(
        "lab.errors",
        "lab.published",
        "lab.lm.effects",
        "lab.drift.drifted",
        "lab.forecast.agreement",
    ),
} | {
    f"lab.runs.{name}" for name in ("results", "records", "claims", "paths", "checkout", "endings")
}


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
def test_leaves_import_nothing_of_ours_or_one_leaf(leaf):
    assert imported(ROOT / "lab" / f"{leaf}.py") == LEAVES[leaf]


def test_kernels_know_the_devices_at_most():
    for path in (ROOT / "lab" / "kernels").glob("*.py"):
        assert imported(path) <= {"lab.devices"}, path.name


def test_models_know_no_training_and_training_knows_no_model():
    assert imported(ROOT / "lab" / "mnist" / "mlp.py") == {
        "lab.rng",
        "lab.kernels.rounded_matmul.rounded_matmul",
        "lab.runs.fields",
        *(f"lab.runs.fields.{rule}" for rule in ("Count", "Items", "Real")),
    }
    assert imported(ROOT / "lab" / "ensemble.py") == {"lab.devices.MEMBER", "lab.devices.manual"}


def test_runs_know_neither_images_nor_language():
    for path in (ROOT / "lab" / "runs").glob("*.py"):
        wrong = {n for n in imported(path) if n.startswith(("lab.mnist", "lab.lm"))}
        assert not wrong, f"{path.name} imports {wrong}"


def test_no_artifact_depends_on_drift():
    for path in (ROOT / "lab").rglob("*.py"):
        if "drift" not in path.parts:
            assert not any(n.startswith("lab.drift") for n in imported(path)), path.name


def test_no_experiment_imports_another():
    for path in (ROOT / "experiments").glob("*.py"):
        wrong = {n for n in imported(path) if n.startswith("experiments")}
        assert not wrong, f"{path.name} imports {wrong}"


def test_figures_use_results_only():
    for path in (ROOT / "figures").glob("*.py"):
        ours = {n for n in imported(path) if n.startswith("lab")}
        wrong = {n for n in ours if not any(f"{n}.".startswith(f"{m}.") for m in FIGURES_MAY_USE)}
        assert not wrong, f"{path.name} imports {wrong}"


def test_files_are_short():
    limits = dict.fromkeys(PACKAGES, 400) | {"lab": 250, "experiments": 120}
    for package, most in limits.items():
        for path in (ROOT / package).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= most, path
