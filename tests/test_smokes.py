"""The smallest run of every experiment, from its command line to its table and figure."""

import subprocess
import sys

import pytest

from lab.runs.experiment import named
from tests.process import ROOT

FOLDERS = "drift_folders"  # of three checkpoints of the user's
NAMES = sorted(
    path.stem
    for path in (ROOT / "experiments").glob("*.py")
    if "EXPERIMENT = " in path.read_text() and path.stem != FOLDERS
)


def test_there_are_experiments():
    assert {"mnist_aux_logits", "lm_numbers", "coverage", "parameter_drift"} < set(NAMES)
    assert all("smoke" in named(name).presets for name in NAMES)


@pytest.mark.slow  # a quarter of a minute each
@pytest.mark.parametrize("name", NAMES)
def test_the_smoke_preset_makes_a_table_and_a_figure(name, tmp_path):
    command = [sys.executable, "-m", f"experiments.{name}", "smoke", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "demonstration" in done.stdout or not name.startswith("lm_")
    assert len(list(tmp_path.rglob("table.csv"))) == len(list(tmp_path.rglob("figure.png"))) == 1
