"""Timing, child processes that work in turns, and the time of each operation of a program."""

import collections
import glob
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

from lab.provenance import peak_memory_mb


def best(call: Callable[[], None], seconds: float = 0.4) -> float:
    """Shortest wall seconds of `call` in as many repeats as fit into `seconds`, at least 5."""
    call()
    times: list[float] = []
    while len(times) < 5 or sum(times) < seconds:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def serve(epochs: Iterator[str], report: Callable[[], dict]) -> None:
    """In a child: for each line read, do an epoch and answer with its seconds; last, report."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)  # libraries may print to stdout
    os.dup2(2, 1)
    print(json.dumps({"kind": "ready"}), file=answers)
    for _ in sys.stdin:
        began = time.perf_counter()
        kind = next(epochs, None)
        if kind is None:
            break
        print(json.dumps({"kind": kind, "seconds": time.perf_counter() - began}), file=answers)
    print(json.dumps({"kind": "end", "peak_mb": peak_memory_mb(), **report()}), file=answers)


class Side:
    """A child process that does its epochs when told to."""

    def __init__(self, name: str, command: list[str]):
        self.name, self.seconds = name, collections.defaultdict(list)
        self.end: dict = {}
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self._child.stdout
        self._child.stdout.readline()  # ready: nobody is timed while another still compiles

    def turn(self) -> bool:
        """One epoch; False after the last."""
        assert self._child.stdin and self._child.stdout
        print(file=self._child.stdin, flush=True)
        line = self._child.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended early; its message is above")
        answer = json.loads(line)
        if answer["kind"] == "end":
            self.end = answer
            self._child.wait()
            return False
        self.seconds[answer["kind"]].append(answer["seconds"])
        print(f"{self.name:24s}{answer['kind']:10s}{answer['seconds']:8.2f} s", flush=True)
        return True


def operations(run: Callable[[], None]) -> dict[str, float]:
    """Seconds spent in each operation of the compiled programs that `run` calls."""
    import jax

    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            run()
        path = glob.glob(f"{folder}/**/*.xplane.pb", recursive=True)[0]
        data = jax.profiler.ProfileData.from_file(path)
    total: collections.Counter[str] = collections.Counter()
    for plane in data.planes:
        for line in plane.lines:
            for event in line.events:
                stats = dict(event.stats)
                if "hlo_op" in stats and not event.name.startswith(("while", "call", "jit")):
                    total[event.name.split(".")[0]] += event.duration_ns / 1e9
    return dict(total.most_common())
