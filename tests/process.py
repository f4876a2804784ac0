"""Runs of an experiment: in this process, or by command line in one of its own, in a second."""

import os
import subprocess
import sys
from pathlib import Path

from lab.runs.experiment import Experiment, Options
from lab.runs.run import Run

ROOT = Path(__file__).parents[1]
TINY = ["smoke", "--dataset", "digits", "--net.hidden", "16", "--rows-per-epoch", "640"]
TINY += ["--teacher.batch", "64", "--teacher.epochs", "2"]
TINY += ["--student.batch", "64", "--student.epochs", "2"]


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


def run_in(folder: Path, experiment: Experiment, config, **options) -> Path:
    """The run folder of a configuration, run to its end within this process."""
    chosen = Options(**options)
    data, dataset = experiment.prepare(config, chosen)
    with Run(folder, experiment.name, config, dataset) as run:
        experiment.finish(run, experiment.measure(config, data, run, chosen))
    return run.folder


def drawn_again(folder: Path, experiment: Experiment, elsewhere: Path) -> bool:
    """Whether the figure of a run folder is drawn alike from its table and record alone."""
    first = experiment.draw_run(folder)
    again = experiment.draw(folder / "table.csv", folder / "run.json", elsewhere / "figure")
    assert [path.suffix for path in first] == [".png", ".pdf"]
    return all(a.read_bytes() == b.read_bytes() for a, b in zip(first, again, strict=True))
