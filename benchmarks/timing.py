"""What every benchmark needs: sides that take turns, matmul floors, results files.

A benchmark starts itself once more for each side, in a process of its own. The sides then take
turns, so that a change in the machine's speed meets all of them; each compiles before the first
turn, and measures the matmul rates of its own library in its own process after the last.
"""

import argparse
import collections
import contextlib
import functools
import glob
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lab.runs import checkout
from lab.runs.endings import one_line

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Product:
    """E matrix products [M, K] x [K, N], and how often they are done in the turns that count."""

    name: str
    e: int
    m: int
    k: int
    n: int
    times: float

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """What its rate depends on."""
        return self.e, self.m, self.k, self.n

    @property
    def flop(self) -> float:
        """Floating point operations of all times."""
        return 2 * self.e * self.m * self.k * self.n * self.times


def speed(products: list[Product], rates: list[float], seconds: float) -> dict[str, float]:
    """Of turns that took so long: the rate, and the part that the products alone would take."""
    floor = sum(p.flop / rate for p, rate in zip(products, rates, strict=True))
    flop = sum(p.flop for p in products)
    return {
        "gflop_per_second": round(flop / seconds / 1e9, 2),
        "floor_fraction": round(floor / seconds, 3),
    }


def command_line(doc: str, sides: tuple[str, ...]) -> argparse.ArgumentParser:
    """The options that all benchmarks have. Ends with one line where results cannot be kept."""
    with one_line():
        checkout.root()
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--sides", nargs="+", default=list(sides), choices=sides)
    parser.add_argument("--name", default="cpu", help="of the results file")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    return parser


class Side:
    """A child process that does a turn when told to."""

    def __init__(self, name: str, command: list[str], **where):
        self.name, self.seconds = name, collections.defaultdict(list)
        self.end: dict = {}
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, **where
        )
        assert self._child.stdout
        self._child.stdout.readline()  # ready: nobody is timed while another still compiles

    def turn(self) -> bool:
        """One turn; False after the last."""
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
        print(f"{self.name:24s}{answer['kind']:20s}{answer['seconds']:8.2f} s", flush=True)
        return True


def take_turns(sides: list[Side]) -> list[Side]:
    """A turn each, until all have ended."""
    running = sides
    while running:
        running = [side for side in running if side.turn()]
    return sides


def child(*more: str) -> list[str]:
    """The command of this process with more options."""
    module = sys.modules["__main__"].__spec__
    assert module
    return [sys.executable, "-m", module.name, *sys.argv[1:], *more]


def serve(turns: Iterator[str], report: Callable[[], dict]) -> None:
    """In a child: for each line read, do a turn and answer with its seconds; last, report."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)  # libraries may print to stdout
    os.dup2(2, 1)
    print(json.dumps({"kind": "ready"}), file=answers)
    for _ in sys.stdin:
        began = time.perf_counter()
        kind = next(turns, None)
        if kind is None:
            break
        print(json.dumps({"kind": kind, "seconds": time.perf_counter() - began}), file=answers)
    print(json.dumps({"kind": "end", **report()}), file=answers)


def measured(library: str, products: Mapping[str, list[Product]], dtype: str = "float32") -> dict:
    """In a child: its memory, device and version, and the rates of the products by kind of turn."""
    from lab.runs.provenance import peak_memory_mb

    peak = peak_memory_mb()  # of the turns, without what comes now
    device, version, multiplying = _jax(dtype) if library == "jax" else _torch()
    rate = functools.cache(functools.partial(_rate, multiplying))
    return {
        "peak_mb": peak,
        "device": device,
        "version": f"{library} {version}",
        "rates": {kind: [rate(*p.shape) for p in found] for kind, found in products.items()},
        "rate_2048": rate(1, 2048, 2048, 2048),
    }


def _rate(multiplying: Callable, e: int, m: int, k: int, n: int) -> float:
    """FLOP/s of E products [M K] x [K N], best of several runs of some 20 MFLOP or more."""
    repeat = int(np.clip(10_000_000 // (e * m * k * n), 1, 256))
    members = (e,) if e > 1 else ()
    draw = np.random.default_rng(0).standard_normal
    call = multiplying(draw((repeat, *members, m, k), "f4"), draw((*members, k, n), "f4"))
    call()
    times: list[float] = []
    while len(times) < 5 or sum(times) < 0.4:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return 2 * repeat * e * m * k * n / min(times)


def _jax(dtype: str) -> tuple[str, str, Callable]:
    """Device, version, and what makes of arrays a call that multiplies each of the first by b.

    It is one program, as in a step: else small products would measure how fast Python calls.
    """
    import jax
    import jax.numpy as jnp

    def multiplying(a: np.ndarray, b: np.ndarray) -> Callable:
        one = lambda x, b: jnp.matmul(x, b, preferred_element_type=jnp.float32)
        program = jax.jit(lambda a, b: jax.lax.map(lambda x: one(x, b), a))
        on_device = [jnp.asarray(x, dtype) for x in (a, b)]
        return lambda: jax.block_until_ready(program(*on_device))

    return jax.devices()[0].device_kind, jax.__version__, multiplying


def _torch() -> tuple[str, str, Callable]:
    import torch

    cuda = torch.cuda.is_available()

    def multiplying(a: np.ndarray, b: np.ndarray) -> Callable:
        x, y = (torch.from_numpy(array).to("cuda" if cuda else "cpu") for array in (a, b))
        out = torch.empty(*x.shape[:-1], y.shape[-1], device=x.device)

        @torch.inference_mode()
        def call() -> None:
            for i in range(len(x)):
                torch.matmul(x[i], y, out=out[i])
            if cuda:
                torch.cuda.synchronize()

        return call

    return torch.cuda.get_device_name() if cuda else "cpu", torch.__version__, multiplying


def about(side: Side) -> dict:
    """What a results file says of a side itself."""
    return {
        "device": side.end["device"],
        "version": side.end["version"],
        "peak_mb": side.end["peak_mb"],
        "rate_2048_gflop_per_second": round(side.end["rate_2048"] / 1e9, 1),
    }


def write(name: str, report: dict, readme: Callable[[dict], dict]) -> None:
    """A results file, with what the README shows of it if all that it shows is there."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    report = {"cores": os.cpu_count(), **report}
    with contextlib.suppress(KeyError):
        report["readme"] = readme(report)
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(path)


def operations(run: Callable[[], object]) -> dict[str, float]:
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
