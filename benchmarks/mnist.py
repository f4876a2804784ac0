"""The MNIST experiment against PyTorch, against the machine's matmul rate, and against memory.

Run:     python -m benchmarks.mnist [--members 8] [--epochs 5] [--name cpu]     (needs torch)
Time:    about 10 min on 2 CPU cores at 8 members.
Writes:  benchmarks/results/mnist_<name>.json; the README's table is made from it.

Four sides take turns, an epoch each: ours in float32 and in bfloat16, PyTorch arm by arm as in the
paper's script, and PyTorch with our sharing of noise and teacher outputs.
"""

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import tables, timing
from benchmarks.timing import Product

SIDES = ("jax_float32", "jax_bfloat16", "torch_arm_by_arm", "torch_shared")
SIZES, BATCH, ROWS = (784, 256, 256, 13), 1024, 60_000


def products(members: int, epochs: int, shared: bool = True) -> list[Product]:
    """Every product of the protocol: a teacher and four students of each member.

    The students' teacher outputs are computed four times an epoch, or shared once in all epochs.
    """
    steps = members * epochs * -(-ROWS // BATCH)
    forward = steps * (5 + (1 / epochs if shared else 4))
    found = []
    for i, (d_in, d_out) in enumerate(itertools.pairwise(SIZES)):
        found.append(Product(f"layer {i}, forward", 1, BATCH, d_in, d_out, forward))
        found.append(Product(f"layer {i}, kernel gradient", 1, d_in, BATCH, d_out, 5 * steps))
        if i:
            found.append(Product(f"layer {i}, input gradient", 1, BATCH, d_out, d_in, 5 * steps))
    return found


def jax_side(members: int, epochs: int, precision: Any) -> None:
    """Serve the epochs of our own implementation."""
    import jax

    from experiments.mnist_aux_logits import PRESETS
    from lab import devices
    from lab.mnist import images
    from lab.mnist.arms import STUDENTS
    from lab.mnist.train import Trainer, group_size, knobs

    devices.start()
    data, preset = images.load("auto"), PRESETS["default"]

    def trainer(epochs: int) -> Trainer:
        teacher, student = (replace(o, epochs=epochs) for o in (preset.teacher, preset.student))
        chosen = replace(preset, precision=precision, teacher=teacher, student=student)
        return Trainer(chosen, STUDENTS, data)

    whole, warm = trainer(epochs), trainer(1)
    warm.programs = whole.programs  # they are the same for any number of epochs
    size = group_size(preset, len(STUDENTS), members, None)
    accuracy: dict[str, list[float]] = {}

    def train(which: Trainer, first: int) -> Iterator:
        return which.train(np.arange(first, first + size), size, knobs(preset, size))

    def run() -> Iterator[str]:
        running = [train(whole, first) for first in range(0, members, size)]
        for kind in ["teacher"] * epochs + ["students"] * epochs:
            for generator in running:
                _, tree, rows = next(generator)
                jax.block_until_ready(tree)
                for _, row in rows:
                    accuracy.setdefault(row["arm"], []).append(row["accuracy"])
            yield kind

    one_epoch_each = lambda: list(train(warm, 0))

    def report() -> dict:
        found = timing.measured("jax", {"all": products(members, epochs)}, precision)
        # Seconds of operation kinds in an epoch of each phase; the rest are thousandths.
        seconds = timing.operations(one_epoch_each).items()
        operations = {name: round(s, 3) for name, s in seconds if s >= 0.01}
        return found | {"accuracy": accuracy, "operations": operations}

    with devices.matmul_precision(precision):
        one_epoch_each()
        timing.serve(run(), report)


def torch_side(members: int, epochs: int, shared: bool) -> None:
    """Serve the epochs of the PyTorch implementation."""
    import torch

    from benchmarks import mnist_torch
    from lab.mnist import images

    device = "cuda" if torch.cuda.is_available() else "cpu"
    data = images.load("auto")
    pixels, labels = (
        np.resize(a, (ROWS, *a.shape[1:])) for a in (data.train_images, data.train_labels)
    )
    trained: dict[str, list[torch.Tensor]] = {}

    def run() -> Iterator[str]:
        train = mnist_torch.train(pixels, labels, members, epochs, shared, device)
        for kind, networks in train:
            if device == "cuda":
                torch.cuda.synchronize()
            trained.update(networks)
            yield kind

    def report() -> dict:
        made = [replace(p, e=members) for p in products(members, epochs, shared)]
        found = timing.measured("torch", {"all": made})
        test = mnist_torch.on(device, data.test_images, data.test_labels)
        accuracy = {arm: mnist_torch.accuracy(net, *test) for arm, net in trained.items()}
        return found | {"accuracy": accuracy}

    for _ in mnist_torch.train(pixels[:2048], labels[:2048], members, 1, shared, device):
        pass
    timing.serve(run(), report)


def summary(side: timing.Side, members: int, epochs: int) -> dict:
    """Seconds of the whole protocol, the matmul floor, and the fraction of it that was reached."""
    made = products(members, epochs, side.name != "torch_arm_by_arm")
    rates = side.end["rates"]["all"]
    seconds, accuracy = sum(map(sum, side.seconds.values())), side.end["accuracy"].items()
    return {
        "accuracy": {arm: round(float(np.mean(values)), 3) for arm, values in accuracy},
        "seconds": round(seconds, 2),
        "by_epoch": {kind: [round(t, 3) for t in times] for kind, times in side.seconds.items()},
        "tflop": round(sum(p.flop for p in made) / 1e12, 3),
        **timing.speed(made, rates, seconds),
        "rates_gflop_per_second": {
            p.name: round(r / 1e9, 1) for p, r in zip(made, rates, strict=True)
        },
        **timing.about(side),
        **{key: side.end[key] for key in ("operations",) if key in side.end},
    }


def memory(members: int) -> int:
    """Peak memory (MB) of the paper preset at `members` members, on epochs of two steps.

    Neither epochs nor rows add to it: noise is never stored, and groups follow one another.
    """
    with tempfile.TemporaryDirectory() as folder:
        sizes = f"--members {members} --rows-per-epoch 2048 --teacher.epochs 1 --student.epochs 1"
        command = f"-m experiments.mnist_aux_logits paper --dataset auto {sizes} --out"
        words = [sys.executable, *command.split(), folder]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        (record,) = Path(folder).glob("*/*/run.json")
        return json.loads(record.read_text())["peak_memory_mb"]


def main() -> None:
    """Let the sides take turns, and write what they took."""
    parser = timing.command_line(__doc__, SIDES)
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=5, help="of each phase")
    arguments = parser.parse_args()
    sizes = (arguments.members, arguments.epochs)
    if arguments.side:
        library, _, variant = arguments.side.partition("_")
        if library == "jax":
            return jax_side(*sizes, variant)
        return torch_side(*sizes, variant == "shared")
    sides = [timing.Side(name, timing.child("--side", name)) for name in arguments.sides]
    timing.take_turns(sides)
    found = {side.name: summary(side, *sizes) for side in sides}
    for name, numbers in found.items():
        text = f"{name:18s}{numbers['seconds']:8.1f} s{numbers['gflop_per_second']:8.0f} GFLOP/s"
        print(f"{text}{numbers['floor_fraction']:7.0%} of matmul floor{numbers['peak_mb']:7d} MB")
    about = {"members": sizes[0], "epochs": sizes[1], "peak_mb_100_members": memory(100)}
    timing.write(f"mnist_{arguments.name}", about | {"sides": found}, tables.mnist)


if __name__ == "__main__":
    main()
