"""The experiment's command line in a process of its own, on a protocol of a second."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TINY = ["smoke", "--dataset", "digits", "--widths", "16", "--batch", "64"]
TINY += ["--rows-per-epoch", "640", "--teacher-epochs", "2", "--student-epochs", "2"]


def start(folder: Path, *args: str, module="experiments.mnist_aux_logits", **env: str):
    """A running process that writes to `folder`/runs."""
    words = [*TINY, *args] if "--raw" not in args else [a for a in args if a != "--raw"]
    return subprocess.Popen(
        [sys.executable, "-m", module, *words, "--out", str(folder / "runs")],
        cwd=ROOT,
        env={**os.environ, "SUBLIMINAL_CHECKPOINT_SECONDS": "0", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, *args: str, **env: str) -> tuple[int, str, str]:
    """(status, stdout, stderr) of a finished process."""
    child = start(folder, *args, **env)
    out, err = child.communicate(timeout=300)
    return child.returncode, out, err


def folder_of(out: str) -> Path:
    """The run folder, from the last line on the terminal."""
    return Path(out.strip().splitlines()[-1])
