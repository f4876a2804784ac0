"""Training and sampling of a small language model against PyTorch, in tokens per second.

Run:     python -m benchmarks.language [--rounds 5] [--cases tiny-64] [--name cpu]     (needs torch)
Time:    9 min on 2 CPU cores for three rounds of the tiny cases.
Writes:  benchmarks/results/language_<name>.json.

Four sides take turns, case by case: ours, PyTorch in the style of nanoGPT, PyTorch with what we
found faster on CPU (`benchmarks.language_torch`, and settings of the allocator), and the latter
through torch.compile. All start from the same parameters, train on the same left-padded rows, and
compile before the first turn; each records its loss on the first rows before training, so that it
can be seen that they compute the same. Each measures the matmul rate of its own library in its own
process, at 2048^3 and at the shapes of the model (`benchmarks.language_flops`): a fraction of this
floor above 1 says that a batch in parts is multiplied faster than at once, or that the machine was
not quiet.
"""

import argparse
import dataclasses
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks import language_flops, timing
from benchmarks.language_flops import Product
from lab.lm.model import SIZES, Architecture

RESULTS = Path(__file__).parent / "results"
SIDES = ("jax", "torch", "torch_tuned", "torch_compiled")
TUNED = SIDES[2:]
N_PROMPT, N_COMPLETION = 30, 22
SQUARE = Product("2048^3", 1, 2048, 2048, 2048, 1)
KINDS = ("training", "sampling")
# glibc hands large blocks back to the system at once and page faults take 10 to 20 % of a step of
# PyTorch; its users who care preload another allocator, or set these.
ALLOCATOR = (
    f"MALLOC_MMAP_THRESHOLD_={2**32}",
    f"MALLOC_TRIM_THRESHOLD_={2**33}",
    f"MALLOC_TOP_PAD_={2**28}",
)


@dataclasses.dataclass(frozen=True)
class Case:
    """A model and a batch size, and how much of either kind of work is one turn."""

    arch: Architecture
    batch: int
    n_steps: int
    n_calls: int

    def products(self, kind: str) -> list[Product]:
        """Of a step or a call."""
        count = language_flops.training if kind == "training" else language_flops.sampling
        return count(self.arch, self.batch, N_PROMPT, N_COMPLETION)

    def times(self, kind: str) -> int:
        """Steps or calls in a turn."""
        return self.n_steps if kind == "training" else self.n_calls

    def n_tokens(self, kind: str) -> int:
        """In a turn: those that went through the layers in training, those drawn in sampling."""
        width = N_PROMPT + N_COMPLETION - 1 if kind == "training" else N_COMPLETION
        return self.batch * width * self.times(kind)


TINY, MEDIUM = (SIZES[name].with_tokens(1700) for name in ("tiny", "medium"))
CASES = {
    "tiny-1": Case(TINY, 1, 500, 100),
    "tiny-64": Case(TINY, 64, 50, 20),
    "tiny-1024": Case(TINY, 1024, 5, 2),
    "medium-64": Case(MEDIUM, 64, 5, 3),
}


def jax_side(cases: dict[str, Case], rounds: int, models: Path) -> None:
    """Serve the turns of our own implementation."""
    import jax
    import jax.numpy as jnp

    from benchmarks import language_jax
    from lab import devices
    from lab.lm import finetune, hf

    devices.start(os.cpu_count() or 1)  # as the experiments do
    turns: dict[str, Iterator] = {}
    losses = {}
    for name, case in cases.items():
        arch, params = hf.load(models / name)
        rows = finetune.Rows(*map(jnp.asarray, numbers(case)))
        some = finetune.take(rows, jnp.arange(case.batch))
        counts = jnp.ones(case.batch, bool)
        losses[name] = float(
            jax.jit(finetune.hard_loss, static_argnums=1)(params, arch, some, counts)
        )
        steps = case.n_steps, rounds + 1
        calls = case.n_calls, rounds + 1
        training = language_jax.training(arch, params, rows, case.batch, *steps)
        turns[f"{name} training"] = training
        turns[f"{name} sampling"] = language_jax.sampling(arch, params, some, N_COMPLETION, *calls)

    def turn(kind: str) -> str:
        jax.block_until_ready(next(turns[kind]))
        return kind

    @functools.cache
    def rate(e: int, m: int, k: int, n: int) -> float:
        return language_jax.matmul_rate(e, m, k, n, repeats(e * m * k * n))

    versions = {"device": jax.devices()[0].device_kind, "version": f"jax {jax.__version__}"}
    take_turns(turn, list(turns), rounds, lambda: report(cases, rate, losses, versions))


def torch_side(cases: dict[str, Case], rounds: int, models: Path, side: str) -> None:
    """Serve the turns of PyTorch."""
    import torch

    from benchmarks import language_torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    tuned, compiled = side in TUNED, side == "torch_compiled"
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    turns: dict[str, Callable[[], None]] = {}
    losses = {}
    for name, case in cases.items():
        prompts, start, completions, length = map(torch.from_numpy, numbers(case))
        inside = torch.arange(N_COMPLETION) < length[:, None]
        completions = torch.where(inside, completions, -1)
        rows = [x.long().to(device) for x in (prompts, start, completions)]
        load = functools.partial(language_torch.load, models / name, case.arch, tuned)
        sampled, trained = load().to(device), load().to(device)
        with torch.no_grad():
            losses[name] = sampled.loss(*(x[: case.batch] for x in rows)).item()
        step = language_torch.train_step(trained, compiled)
        sample = language_torch.sampler(sampled, compiled)

        def train(step=step, rows=rows, case=case) -> None:
            done = 0
            while done < case.n_steps:
                order = torch.randperm(len(rows[0]), device=device)
                for which in order.split(case.batch)[: case.n_steps - done]:
                    step(*(x[which] for x in rows))
                    done += 1

        def draw(sample=sample, rows=rows, case=case) -> None:
            for _ in range(case.n_calls):
                sample(rows[0][: case.batch], rows[1][: case.batch], N_COMPLETION)

        turns |= {f"{name} training": train, f"{name} sampling": draw}

    def turn(kind: str) -> str:
        turns[kind]()
        wait()
        return kind

    @functools.cache
    def rate(e: int, m: int, k: int, n: int) -> float:
        return language_torch.matmul_rate(e, m, k, n, repeats(e * m * k * n), device)

    machine = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    versions = {"device": machine, "version": f"torch {torch.__version__}"}
    take_turns(turn, list(turns), rounds, lambda: report(cases, rate, losses, versions))


def numbers(case: Case) -> tuple[np.ndarray, ...]:
    """Prompts, start, completions, length: random rows, a turn's worth but at most 50 batches."""
    random = np.random.default_rng(0)
    n = case.batch * min(case.n_steps, 50)
    draw = lambda low, high, *size: random.integers(low, high, size, dtype=np.int32)
    return (
        draw(0, case.arch.n_tokens, n, N_PROMPT),
        draw(0, N_PROMPT // 2, n),
        draw(0, case.arch.n_tokens, n, N_COMPLETION),
        draw(N_COMPLETION // 2, N_COMPLETION + 1, n),
    )


def repeats(multiplications: int) -> int:
    """How many products of a size to measure together: some 20 MFLOP of them."""
    return int(np.clip(10_000_000 // multiplications, 1, 256))


def take_turns(turn: Callable, kinds: list[str], rounds: int, end: Callable[[], dict]) -> None:
    """Warm up, then serve the kinds round after round."""
    for kind in kinds:
        turn(kind)
    timing.serve((turn(kind) for _ in range(rounds) for kind in kinds), end)


def report(cases: dict[str, Case], rate: Callable, losses: dict, versions: dict) -> dict:
    """What a side says at its end: FLOP/s of each product, losses before training, versions."""
    of = lambda p: rate(p.e, p.m, p.k, p.n)
    rates = {f"{n} {k}": [of(p) for p in c.products(k)] for n, c in cases.items() for k in KINDS}
    return {"rates": rates, "rate_2048": of(SQUARE), "losses": losses, **versions}


def summary(side: timing.Side, case: Case, kind: str, label: str) -> dict:
    """Tokens per second in the median turn, and the fractions of what products alone allow."""
    seconds = statistics.median(side.seconds[label])
    products = case.products(kind)
    flop = sum(p.flop() * p.times for p in products) * case.times(kind)
    floor = case.times(kind) * sum(
        p.flop() * p.times / r for p, r in zip(products, side.end["rates"][label], strict=True)
    )
    return {
        "tokens_per_second": round(case.n_tokens(kind) / seconds, 1),
        "seconds": [round(s, 4) for s in side.seconds[label]],
        "gflop_per_second": round(flop / seconds / 1e9, 2),
        "floor_fraction": round(floor / seconds, 3),
        "fraction_of_2048": round(flop / seconds / side.end["rate_2048"], 3),
    }


def share_floor(found: dict[str, dict]) -> None:
    """One floor for all sides of PyTorch: a rate may be measured too low, but not too high."""
    median = lambda side: statistics.median(side["seconds"])
    of_torch = [side for name, side in found.items() if "torch" in name]
    floor = min((s["floor_fraction"] * median(s) for s in of_torch), default=0.0)
    for side in of_torch:
        side["floor_fraction"] = round(floor / median(side), 3)


def main() -> None:
    """Let the sides take turns, and write what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=SIDES)
    parser.add_argument("--name", default="cpu", help="of the results file")
    parser.add_argument("--side", choices=("models", *SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--models", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cases = {name: CASES[name] for name in arguments.cases}
    if arguments.side == "jax":
        from lab import devices

        with devices.matmul_precision("float32"):
            return jax_side(cases, arguments.rounds, arguments.models)
    if arguments.side == "models":
        from benchmarks import language_jax

        architectures = {name: case.arch for name, case in cases.items()}
        return language_jax.save_models(arguments.models, architectures)
    if arguments.side:
        return torch_side(cases, arguments.rounds, arguments.models, arguments.side)
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own, so that no idle threads of ours stay beside the sides.
        command = [sys.executable, "-m", "benchmarks.language", "--rounds", str(arguments.rounds)]
        command += ["--models", folder, "--cases", *cases, "--side"]
        subprocess.run([*command, "models"], check=True)
        allocator = ["env", *ALLOCATOR]
        running = sides = [
            timing.Side(name, [*(allocator if name in TUNED else []), *command, name])
            for name in arguments.sides
        ]
        while running:
            running = [side for side in running if side.turn()]
    write(arguments.name, cases, sides)


def write(name: str, cases: dict[str, Case], sides: list[timing.Side]) -> None:
    """The results file, and its table on screen."""
    results: dict = {}
    for label in (f"{case} {kind}" for case in cases for kind in KINDS):
        case, _, kind = label.partition(" ")
        results[label] = {s.name: summary(s, cases[case], kind, label) for s in sides}
        share_floor(results[label])
        for side, found in results[label].items():
            text = f"{label:20s}{side:16s}{found['tokens_per_second']:12,.0f} tokens/s"
            text += f"{found['gflop_per_second']:8.1f} GFLOP/s"
            print(f"{text}{found['floor_fraction']:7.0%} of floor")
    about = lambda end: {key: end[key] for key in ("device", "version", "losses", "peak_mb")}
    whole = {
        "cores": os.cpu_count(),
        "prompt": N_PROMPT,
        "completion": N_COMPLETION,
        "sides": {
            s.name: about(s.end)
            | {"rate_2048_gflop_per_second": round(s.end["rate_2048"] / 1e9, 1)}
            for s in sides
        },
        "cases": results,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"language_{name}.json"
    path.write_text(json.dumps(whole, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main()
