"""Kills at random moments: a chain of them ends with the bytes of a run that nobody killed."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.process import ROOT, TINY, folder_of

LINES: dict[str, list[str]] = {
    "experiments.mnist_aux_logits": [*TINY, "--snapshots", "--curves"],
    "experiments.theorem": ["smoke", "--members", "1"],
    "experiments.coverage": ["smoke", "--dataset", "digits", "--rows-per-epoch", "640"],
    "experiments.gradient_alignment": ["smoke", "--dataset", "digits", "--rows-per-epoch", "640"],
    "experiments.lm_numbers": ["smoke", "--traits", "owl", "--snapshots"],
    "experiments.lm_contexts": ["smoke"],
    "experiments.lm_restored": ["smoke"],
    "tests.fuzz.toy": ["--steps", "6"],
}
IN_A_CHAIN = 5


def start(module: str, folder: Path) -> subprocess.Popen:
    """A running process that saves whenever it can, with a cache of its own but for programs."""
    env = {"SUBLIMINAL_CHECKPOINT_SECONDS": "0", "SUBLIMINAL_CACHE": str(folder / "cache")}
    env["JAX_COMPILATION_CACHE_DIR"] = str(folder.parent / "compiled")
    return subprocess.Popen(
        [sys.executable, "-m", module, *LINES[module], "--out", str(folder / "runs")],
        cwd=ROOT, env={**os.environ, **env}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(module: str, folder: Path) -> dict[str, bytes]:
    """Run to the end; every file of the run folder that must be the same, and the run's claims."""
    child = start(module, folder)
    out, err = child.communicate(timeout=1200)
    assert child.returncode == 0, f"{module}: {err[-3000:]}"
    run = folder_of(out)
    same = [
        run / "table.csv",
        *sorted((run / "snapshots").glob("*")),
        *sorted((run / "data").glob("*")),
    ]
    assert not (run / "progress.json").exists() and not (run / "checkpoint").exists()
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in same}


def chain(
    module: str, folder: Path, expected: dict[str, bytes], seconds: float, rng: random.Random
):
    """Kills, each after a random part of the time that a whole run takes, then to the end."""
    for _ in range(IN_A_CHAIN):
        child = start(module, folder)
        until = time.monotonic() + rng.random() * seconds
        while child.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        child.kill()
        child.wait()
    found = finish(module, folder)
    assert found == expected, f"{module}: {[k for k in expected if found.get(k) != expected[k]]}"


def check(n: int, folder: Path, modules: tuple[str, ...] = tuple(LINES), seed: int = 0) -> Counter:
    """At least n kills, the experiments taking turns by the time that theirs take."""
    rng, counts, spent = random.Random(seed), Counter(), dict.fromkeys(modules, 0.0)
    known: dict[str, tuple[dict[str, bytes], float]] = {}
    while sum(counts.values()) < n:
        module = min(spent, key=lambda name: spent[name])
        began = time.monotonic()
        if module not in known:
            finish(module, folder / f"{module} first")  # compiles
            again = time.monotonic()
            known[module] = finish(module, folder / f"{module} whole"), time.monotonic() - again
        where = folder / f"{module} {counts[module]}"
        chain(module, where, *known[module], rng)
        counts[module] += IN_A_CHAIN
        spent[module] += time.monotonic() - began
        print(f"kills: {dict(counts)}", flush=True)
    return counts
