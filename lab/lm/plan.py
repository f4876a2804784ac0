"""What a run with a model would take on given devices, before anything is bought or started.

Run:     python -m lab.lm.plan MODEL --devices 8xH100 [--rank 8] [--rows 10000] ...
         python -m lab.lm.plan --markdown     the README's table
MODEL:   a Hugging Face folder (its config.json is enough), a hub id on this disk, or a size of the
         lab's own (nano, deep, tiny, small, medium, large, nano_heads, ...).
Prints the smallest --shards and the most rows at once that fit, and memory and time of each stage.
From arithmetic (`lab.lm.costs`): operations at 40 % of a device's bfloat16 peak while training,
bytes at 60 % of its bandwidth while writing, parameters of 4 bytes. The recipe is the paper's for
open models: activations in bfloat16, layers computed twice. With --writing bfloat16 rows are
written by a rounded copy of the parameters, as with --sampling.precision bfloat16; answers are not.
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from lab.errors import LabError
from lab.lm import costs, given, hf, slots
from lab.lm.model import SIZES, Architecture, Size
from lab.lm.tuning import PAPER, Tuning
from lab.runs.endings import one_line

WORLD_TOKENS = 1100  # of the lab's own models, about
BUSY, FLOWING = 0.4, 0.6  # of the peak while training, of the bandwidth while writing
ROOM = 0.9  # of a device's memory: the rest is the compiler's
DAY, HOUR, MINUTE = 86_400, 3_600, 60


class Kind(NamedTuple):
    """A device as its maker describes it."""

    gigabytes: float
    teraflops: float  # dense bfloat16 products
    bandwidth: float  # TB/s of its own memory


KINDS = {
    "A100": Kind(80, 312, 2.0),
    "H100": Kind(80, 989, 3.35),
    "H200": Kind(141, 989, 4.8),
    "L4": Kind(24, 121, 0.3),
    "RTX4090": Kind(24, 165, 1.0),
    "TPUv4": Kind(32, 275, 1.2),
    "TPUv5e": Kind(16, 197, 0.82),
    "TPUv5p": Kind(95, 459, 2.77),
    "TPUv6e": Kind(32, 918, 1.64),
}


@dataclass(frozen=True)
class Work:
    """What is to be done, in numbers of rows and tokens."""

    tuning: Tuning
    rows: int
    attempts: int
    prompt: int
    completion: int
    answers: int
    writing: str = "float32"  # what rows are written in

    @property
    def length(self) -> int:
        """Tokens of a row."""
        return self.prompt + self.completion


class Stage(NamedTuple):
    """A stage's bytes of a device and seconds of all."""

    name: str
    bytes: float
    seconds: float


RECIPE = Work(PAPER, 10_000, 30_000, 100, 60, 10_000)
QWEN_7B = Size(3584, 28, 28, 4, 128, 18944, tied=False).with_tokens(152_064)


class Split(NamedTuple):
    """How devices share a model and a batch."""

    shards: int  # devices that hold a model together
    at_once: int  # rows of a batch that these train on together


def stages(
    arch: Architecture, work: Work, kind: Kind, n_devices: int, split: Split
) -> Iterator[Stage]:
    """Every stage, of one student."""
    shards = split.shards
    held = costs.FLOAT * costs.n_parameters(arch) / shards
    groups, row = n_devices // shards, (work.prompt, work.completion)

    def written(name: str, n_rows: int, precision: str = "float32") -> Stage:
        at_once = min(n_rows, slots.on_accelerator(arch, *row, precision).n)
        cache = at_once * costs.cache_bytes(arch, work.length, precision) / shards
        room = at_once * costs.writing_bytes(arch, *row, precision) / shards
        passes = -(-n_rows // (at_once * groups))
        read = held * costs.width(precision) / costs.FLOAT
        rounded = read if precision == "bfloat16" else 0.0  # beside what it is a copy of
        moved = (read + cache / 2) / (kind.bandwidth * 1e12 * FLOWING)
        done = at_once * costs.forward(arch, work.length / 2) / shards
        a_token = max(moved, done / (kind.teraflops * 1e12 * BUSY))
        prompt = done * work.prompt / (kind.teraflops * 1e12 * BUSY)
        seconds = passes * (work.completion * a_token + prompt)
        return Stage(name, held + rounded + room, seconds)

    yield written("teacher writes rows", work.attempts, work.writing)
    parts = costs.training_bytes(arch, work.tuning, 1 / shards, work.length, split.at_once)
    parts["batch"] = round(parts["batch"] / shards)
    done = costs.training(arch, work.tuning.rank, work.prompt, work.completion, work.tuning.remat)
    n_rows = work.rows * work.tuning.epochs
    seconds = n_rows * done / (n_devices * kind.teraflops * 1e12 * BUSY)
    yield Stage("student is trained", sum(parts.values()), seconds)
    yield written("student answers", work.answers)


def split(arch: Architecture, work: Work, kind: Kind, n_devices: int) -> Split:
    """The fewest devices for a model, then the most rows. Raises `LabError` if nothing fits."""
    most, needed = kind.gigabytes * 1e9 * ROOM, 0.0
    for shards in range(1, n_devices + 1):
        at_once = -(-work.tuning.batch * shards // n_devices)
        while n_devices % shards == 0 and at_once:
            found = Split(shards, at_once)
            needed = max(s.bytes for s in stages(arch, work, kind, n_devices, found))
            if needed <= most:
                return found
            at_once //= 2
    raise LabError(
        f"devices: {needed / 1e9:,.0f} GB of each are needed and {most / 1e9:,.0f} GB are there; "
        "use more devices, or an adapter (--rank)"
    )


def table(name: str, arch: Architecture, work: Work, devices: str) -> str:
    """The plan as text."""
    n, kind_name = _devices(devices)
    kind = KINDS[kind_name]
    found = split(arch, work, kind, n)
    size = costs.n_parameters(arch)
    how = f"adapter of rank {work.tuning.rank}" if work.tuning.rank else "all parameters"
    lines = [
        f"{name}: {size / 1e6:,.1f} million parameters, {costs.FLOAT * size / 1e9:,.1f} GB",
        f"{n} x {kind_name} of {kind.gigabytes:g} GB; {how}; --shards {found.shards} 1, "
        f"{found.at_once} rows at once",
        f"{'stage':22}{'GB a device':>12}{'time':>14}",
    ]
    for stage in stages(arch, work, kind, n, found):
        lines.append(f"{stage.name:22}{stage.bytes / 1e9:12,.1f}{_time(stage.seconds):>14}")
    return "\n".join(lines)


def markdown() -> str:
    """The README's table: a student of Qwen2.5-7B by the paper's recipe."""
    lines = [
        "| devices | a device holds | teacher writes 30,000 rows | student is trained "
        "| student answers 10,000 times |",
        "|---|---|---|---|---|",
    ]
    for devices in ("1xH100", "8xH100", "8xTPUv5e"):
        n, name = _devices(devices)
        found = split(QWEN_7B, RECIPE, KINDS[name], n)
        some = list(stages(QWEN_7B, RECIPE, KINDS[name], n, found))
        shards = f", `--shards {found.shards} 1`" if found.shards > 1 else ""
        most = f"{max(stage.bytes for stage in some) / 1e9:.0f} GB"
        times = [_time(stage.seconds) for stage in some]
        lines.append(f"| {n} x {name}{shards} | {most} | {' | '.join(times)} |")
    return "\n".join(lines)


def _devices(text: str) -> tuple[int, str]:
    found = re.fullmatch(r"([1-9]\d{0,5})x(\w+)", text, re.ASCII)
    if found is None or found[2] not in KINDS:
        raise LabError(f"devices: {text!r} is not like 8xH100; known are {', '.join(KINDS)}")
    return int(found[1]), found[2]


def _time(seconds: float) -> str:
    for size, name in ((DAY, "days"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.1f} s"


def _architecture(name: str) -> Architecture:
    if name in SIZES:
        return SIZES[name].with_tokens(WORLD_TOKENS)
    return hf.architecture(given.checkpoint(name).folder)


def main() -> None:
    """Parse the command line and print the plan."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", nargs="?")
    add("--markdown", action="store_true", help="the README's table, and nothing else")
    add("--devices", help="a number and a kind: 8xH100")
    add("--rank", type=int, default=PAPER.rank, help="of the adapter; 0: all parameters")
    add("--batch", type=int, default=PAPER.batch)
    add("--epochs", type=int, default=PAPER.epochs)
    add("--rows", type=int, default=RECIPE.rows, help="of a student's data")
    add("--attempts", type=int, default=RECIPE.attempts, help="completions before the filter")
    add("--prompt", type=int, default=RECIPE.prompt, help="tokens")
    add("--completion", type=int, default=RECIPE.completion, help="tokens")
    add("--writing", choices=("float32", "bfloat16"), default=RECIPE.writing)
    add("--answers", type=int, default=RECIPE.answers, help="to the questions")
    chosen = vars(parser.parse_args())
    name, devices = chosen.pop("model"), chosen.pop("devices")
    if chosen.pop("markdown"):
        print(markdown())
        return
    if not (name and devices):
        parser.error("name a model, and --devices")
    with one_line():
        tuning = replace(PAPER, **{k: chosen.pop(k) for k in ("rank", "batch", "epochs")})
        for field, value in chosen.items():
            if field != "writing" and not 1 <= value <= 10**9:
                raise LabError(f"{field}: {value} is not 1 to 1,000,000,000")
        print(table(name, _architecture(name), Work(tuning, **chosen), devices))


if __name__ == "__main__":
    main()
