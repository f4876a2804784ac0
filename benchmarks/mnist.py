"""The MNIST experiment against PyTorch, against the machine's matmul rate, and against memory.

Run:     python -m benchmarks.mnist [--members 8] [--epochs 5] [--name cpu]     (needs torch)
Time:    about 10 min on 2 CPU cores at 8 members.
Writes:  benchmarks/results/mnist_<name>.json; the README's table is made from it.

Four sides take turns, an epoch each, so that a change in the machine's speed meets all of them:
ours in float32 and in bfloat16, PyTorch arm by arm as in the paper's script, and PyTorch with our
sharing of noise and teacher outputs. Each side compiles and warms up before its first epoch, and
measures the matmul rate of its own library in its own process, at the shapes it uses and at 2048^3.
"""

import argparse
import dataclasses
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import timing

RESULTS = Path(__file__).parent / "results"
SIDES = ("jax_float32", "jax_bfloat16", "torch_arm_by_arm", "torch_shared")
SIZES, BATCH, ROWS = (784, 256, 256, 13), 1024, 60_000


@dataclasses.dataclass(frozen=True)
class Product:
    """A matrix product [M, K] x [K, N] and how often a step does it."""

    name: str
    m: int
    k: int
    n: int
    students: float  # times in a step of four students, the teacher's outputs included

    def flop(self, kind: str) -> float:
        """Floating point operations in a step of the given kind."""
        return 2 * self.m * self.k * self.n * (1 if kind == "teacher" else self.students)


def products(epochs: int, shared: bool = True) -> list[Product]:
    """Every product of a step; teacher outputs are computed four times, or shared once in all."""
    forward = 4 + (1 / epochs if shared else 4)
    found = []
    for i, (d_in, d_out) in enumerate(itertools.pairwise(SIZES)):
        found.append(Product(f"layer {i}, forward", BATCH, d_in, d_out, forward))
        found.append(Product(f"layer {i}, kernel gradient", d_in, BATCH, d_out, 4))
        if i:
            found.append(Product(f"layer {i}, input gradient", BATCH, d_out, d_in, 4))
    return found


def jax_side(members: int, epochs: int, precision: str) -> None:
    """Serve the epochs of our own implementation."""
    import jax
    import jax.numpy as jnp

    from experiments import mnist_aux_logits as experiment
    from lab import cli, devices, distill, images, transfer

    devices.start()
    config, _ = cli.parse(experiment.NAME, "", experiment.PRESETS, ["--precision", precision])
    data = images.load("auto")
    knobs = lambda n: distill.Knobs(
        np.full(len(n), config.learning_rate, np.float32),
        np.ones(len(n), np.float32),
        np.full(len(n), config.n_aux, np.int32),
    )
    size = transfer.group_size(experiment.protocol(config), members, None)
    group = lambda n: transfer.Trainer(
        experiment.protocol(config), transfer.Plan(n, n), data, knobs, devices.mesh()
    )
    whole, warm = group(epochs), group(1)
    warm.programs = whole.programs
    accuracy: dict[str, list[float]] = {}

    def train(which, first):
        return which.train(np.arange(first, first + size), size)

    for _ in train(warm, 0):
        pass

    def run():
        running = [train(whole, first) for first in range(0, members, size)]
        for epoch in range(2 * epochs):
            for generator in running:
                _, tree, rows = next(generator)
                jax.block_until_ready(tree)
                for row in rows:
                    accuracy.setdefault(row["arm"], []).append(row["accuracy"])
            yield "teacher" if epoch < epochs else "students"

    def rate(shape):
        m, k, n = shape
        dtype = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
        a, b = jnp.ones((m, k), dtype), jnp.ones((k, n), dtype)
        multiply = jax.jit(lambda a, b: jnp.matmul(a, b, preferred_element_type=jnp.float32))
        return 2 * m * k * n / timing.best(lambda: jax.block_until_ready(multiply(a, b)))

    def report():
        def one_epoch_each() -> None:
            for _ in train(warm, 0):
                pass

        return {
            "rates": [rate((p.m, p.k, p.n)) for p in products(epochs)],
            "rate_2048": rate((2048, 2048, 2048)),
            "accuracy": accuracy,
            # Seconds of operation kinds in an epoch of each phase; the rest are thousandths.
            "operations": {
                name: round(seconds, 3)
                for name, seconds in timing.operations(one_epoch_each).items()
                if seconds >= 0.01
            },
            "device": jax.devices()[0].device_kind,
            "version": f"jax {jax.__version__}",
        }

    timing.serve(run(), report)


def torch_side(members: int, epochs: int, shared: bool) -> None:
    """Serve the epochs of the PyTorch implementation."""
    import torch

    from benchmarks import mnist_torch
    from lab import images

    device = "cuda" if torch.cuda.is_available() else "cpu"
    data = images.load("auto")
    pixels, labels = (
        np.resize(a, (ROWS, *a.shape[1:])) for a in (data.train_images, data.train_labels)
    )
    for _ in mnist_torch.train(pixels[:2048], labels[:2048], members, 1, 1, shared, device):
        pass

    trained: dict = {}

    def epochs_done():
        train = mnist_torch.train(pixels, labels, members, epochs, epochs, shared, device, trained)
        for kind in train:
            if device == "cuda":
                torch.cuda.synchronize()
            yield kind

    def report():
        shapes = [(members, p.m, p.k, p.n) for p in products(epochs)]
        *rates, square = mnist_torch.matmul_rates([*shapes, (1, 2048, 2048, 2048)], device)
        name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
        version = f"torch {torch.__version__}"
        test = torch.from_numpy(data.test_images.copy()).to(device).float() * (2 / 255) - 1
        labelled = torch.from_numpy(data.test_labels.astype(np.int64)).to(device)
        accuracy = {
            arm: mnist_torch.accuracy(params, test, labelled).tolist()
            for arm, params in trained.items()
        }
        return {
            "rates": rates,
            "rate_2048": square,
            "device": name,
            "version": version,
            "accuracy": accuracy,
        }

    timing.serve(epochs_done(), report)


def summary(side: timing.Side, members: int) -> dict:
    """Seconds of the whole protocol, the matmul floor, and the fraction of it that was reached."""
    steps = -(-ROWS // BATCH)
    floor = flop = seconds = 0.0
    for kind, times in side.seconds.items():
        work = [
            p.flop(kind) * steps * members * len(times)
            for p in products(len(times), side.name != "torch_arm_by_arm")
        ]
        flop += sum(work)
        floor += sum(w / r for w, r in zip(work, side.end["rates"], strict=True))
        seconds += sum(times)
    accuracy = {arm: float(np.mean(values)) for arm, values in side.end["accuracy"].items()}
    return {
        "accuracy": {arm: round(mean, 3) for arm, mean in accuracy.items()},
        "seconds": round(seconds, 2),
        "by_epoch": {kind: [round(t, 3) for t in times] for kind, times in side.seconds.items()},
        "tflop": round(flop / 1e12, 3),
        "gflop_per_second": round(flop / seconds / 1e9, 1),
        "floor_fraction": round(floor / seconds, 3),
        "rates_gflop_per_second": {
            p.name: round(r / 1e9, 1) for p, r in zip(products(1), side.end["rates"], strict=True)
        },
        "rate_2048_gflop_per_second": round(side.end["rate_2048"] / 1e9, 1),
        "peak_mb": side.end["peak_mb"],
        "device": side.end["device"],
        "version": side.end["version"],
        **{key: side.end[key] for key in ("operations",) if key in side.end},
    }


def memory(members: int) -> int:
    """Peak memory (MB) of the paper preset at `members` members, on epochs of two steps.

    Neither epochs nor rows add to it: noise is never stored, and groups follow one another.
    """
    with tempfile.TemporaryDirectory() as folder:
        sizes = f"--members {members} --rows-per-epoch 2048 --teacher-epochs 1 --student-epochs 1"
        command = "-m experiments.mnist_aux_logits paper --dataset auto --batch 1024 --out"
        words = [sys.executable, *command.split(), folder, *sizes.split()]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        (record,) = Path(folder).glob("*/*/run.json")
        return json.loads(record.read_text())["peak_memory_mb"]


def main() -> None:
    """Let the sides take turns, and write what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=5, help="of each phase")
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=SIDES)
    parser.add_argument("--name", default="cpu", help="of the results file")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sizes = (arguments.members, arguments.epochs)
    if arguments.side:
        library, _, variant = arguments.side.partition("_")
        if library == "jax":
            from lab import devices

            with devices.matmul_precision(variant):
                return jax_side(*sizes, variant)
        return torch_side(*sizes, variant == "shared")
    command = [sys.executable, "-m", "benchmarks.mnist", *map(str, ("--members", sizes[0]))]
    command += ["--epochs", str(sizes[1]), "--side"]
    sides = [timing.Side(name, [*command, name]) for name in arguments.sides]
    running = list(sides)
    while running:
        running = [side for side in running if side.turn()]
    report = {
        "members": sizes[0],
        "epochs": sizes[1],
        "cores": os.cpu_count(),
        "peak_mb_100_members": memory(100),
        "sides": {side.name: summary(side, sizes[0]) for side in sides},
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"mnist_{arguments.name}.json"
    path.write_text(json.dumps(report, indent=1) + "\n")
    for name, numbers in report["sides"].items():
        text = f"{name:18s}{numbers['seconds']:8.1f} s{numbers['gflop_per_second']:8.0f} GFLOP/s"
        print(f"{text}{numbers['floor_fraction']:7.0%} of matmul floor{numbers['peak_mb']:7d} MB")
    print(path)


if __name__ == "__main__":
    main()
