"""Runs of an experiment: in this process, or by command line in one of its own, in a second."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from lab.runs.experiment import Experiment, Options
from lab.runs.run import Run

ROOT = Path(__file__).parents[1]
TINY = ["smoke", "--dataset", "digits", "--net.hidden", "16", "--rows-per-epoch", "640"]
TINY += ["--teacher.batch", "64", "--teacher.epochs", "2"]
TINY += ["--student.batch", "64", "--student.epochs", "2"]


def launched(module: str, *words: str, **env: str) -> subprocess.Popen:
    """A running `python -m module` in the lab's folder, its output piped."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start(folder: Path, *args: str, module="experiments.mnist_aux_logits", **env: str):
    """A running process that writes to `folder`/runs."""
    words = [*TINY, *args] if "--raw" not in args else [a for a in args if a != "--raw"]
    often = {"SUBLIMINAL_CHECKPOINT_SECONDS": "0"}
    return launched(module, *words, "--out", str(folder / "runs"), **{**often, **env})


def run(folder: Path, *args: str, **env: str) -> tuple[int, str, str]:
    """(status, stdout, stderr) of a finished process."""
    child = start(folder, *args, **env)
    out, err = child.communicate(timeout=300)
    return child.returncode, out, err


def hosts(n: int) -> list[dict[str, str]]:
    """The environments of n processes that work as one, over the loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    common = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": str(n)}
    return [common | {"JAX_PROCESS_ID": str(i), "JAX_NUM_CPU_DEVICES": "1"} for i in range(n)]


def ended(children: list[subprocess.Popen], seconds: float = 300) -> list[str]:
    """What processes that work as one wrote on stdout; none is left if one of them fails."""
    try:
        outputs = [child.communicate(timeout=seconds) for child in children]
    finally:
        for child in children:
            child.kill()
            child.__exit__(None, None, None)  # waits, and closes its pipes
    for child, (_, err) in zip(children, outputs, strict=True):
        assert child.returncode == 0, err[-3000:]
    return [out for out, _ in outputs]


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
