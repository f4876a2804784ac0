"""Training and sampling of a small language model against PyTorch, in tokens per second.

Run:     python -m benchmarks.language [--rounds 5] [--cases tiny-64] [--name cpu]     (needs torch)
Time:    9 min on 2 CPU cores for three rounds of the tiny cases.
Writes:  benchmarks/results/language_<name>.json.

Four sides take turns, case by case: ours, PyTorch in the style of nanoGPT, PyTorch with what we
found faster on CPU (`benchmarks.language_torch`, and settings of the allocator), and the latter
through torch.compile. All start from the same parameters and train on the same left-padded rows;
each records its loss on the first rows before training, so that it can be seen that they compute
the same. A fraction of the floor above 1 says that a batch in parts is multiplied faster than at
once, or that the machine was not quiet.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks import tables, timing
from benchmarks.language_flops import CASES, KINDS, N_COMPLETION, N_PROMPT, Case

SIDES = ("jax", "torch", "torch_tuned", "torch_compiled")
TUNED = SIDES[2:]
# glibc hands large blocks back to the system at once and page faults take 10 to 20 % of a step of
# PyTorch; its users who care preload another allocator, or set these.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(2**32),
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
    "MALLOC_TOP_PAD_": str(2**28),
}


def serve(library: str, prepare: Callable, cases: dict[str, Case], rounds: int, models: Path):
    """Warm up, then serve the turns of one side, round after round."""
    losses: dict[str, float] = {}
    turns: dict[str, Callable[[], None]] = {}
    for name, case in cases.items():
        losses[name], *both = prepare(models / name, case)
        turns |= {f"{name} {kind}": turn for kind, turn in zip(KINDS, both, strict=True)}
    for turn in turns.values():
        turn()

    def served() -> Iterator[str]:
        for _ in range(rounds):
            for label, turn in turns.items():
                turn()
                yield label

    products = {f"{name} {kind}": cases[name].products(kind) for name in cases for kind in KINDS}
    timing.serve(served(), lambda: timing.measured(library, products) | {"losses": losses})


def side(name: str, cases: dict[str, Case], rounds: int, models: Path) -> None:
    """In a child: what the process of this name does."""
    if name in TUNED or name == "torch":
        from benchmarks import language_torch

        tuned, compiled = name in TUNED, name == "torch_compiled"
        prepare = partial(language_torch.prepare, tuned=tuned, compiled=compiled)
        return serve("torch", prepare, cases, rounds, models)
    from benchmarks import language_jax
    from lab import devices

    if name == "models":
        return language_jax.save_models(models, cases)
    devices.start(os.cpu_count() or 1)  # as the experiments do
    with devices.matmul_precision("float32"):
        serve("jax", partial(language_jax.prepare, n_turns=rounds + 1), cases, rounds, models)


def summary(side: timing.Side, case: Case, kind: str, label: str) -> dict:
    """Tokens per second in the median turn, and the fractions of what products alone allow."""
    seconds, products = statistics.median(side.seconds[label]), case.products(kind)
    speed = timing.speed(products, side.end["rates"][label], seconds)
    return {
        "tokens_per_second": round(case.n_tokens(kind) / seconds, 1),
        "seconds": [round(s, 4) for s in side.seconds[label]],
        **speed,
        "fraction_of_2048": round(speed["gflop_per_second"] * 1e9 / side.end["rate_2048"], 3),
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
    parser = timing.command_line(__doc__, SIDES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--models", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cases = {name: CASES[name] for name in arguments.cases}
    if arguments.side:
        return side(arguments.side, cases, arguments.rounds, arguments.models)
    with tempfile.TemporaryDirectory() as folder:
        child = partial(timing.child, "--models", folder, "--side")
        # In a process of its own, so that no idle threads of ours stay beside the sides.
        subprocess.run(child("models"), check=True)
        allocator = lambda name: os.environ | (ALLOCATOR if name in TUNED else {})
        sides = [timing.Side(n, child(n), env=allocator(n)) for n in arguments.sides]
        timing.take_turns(sides)
    results: dict = {}
    for label in (f"{name} {kind}" for name in cases for kind in KINDS):
        name, kind = label.split()
        results[label] = {s.name: summary(s, cases[name], kind, label) for s in sides}
        share_floor(results[label])
        for side_name, found in results[label].items():
            text = f"{label:20s}{side_name:16s}{found['tokens_per_second']:12,.0f} tokens/s"
            text += f"{found['gflop_per_second']:8.1f} GFLOP/s"
            print(f"{text}{found['floor_fraction']:7.0%} of floor")
    about = {s.name: timing.about(s) | {"losses": s.end["losses"]} for s in sides}
    sizes = {"prompt": N_PROMPT, "completion": N_COMPLETION}
    timing.write(
        f"language_{arguments.name}", {**sizes, "sides": about, "cases": results}, tables.language
    )


if __name__ == "__main__":
    main()
