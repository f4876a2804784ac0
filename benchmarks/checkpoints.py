"""Decoding and LoRA at the shapes of Qwen2.5 checkpoints against transformers and PEFT.

Run:     python -m benchmarks.checkpoints [--rounds 3] [--cases decode-float32-1 ...] [--name cpu]
         [--torch-python PATH]     an interpreter with torch, transformers and peft, if not this one
         [--models FOLDER]         where the weights are kept for another time; default: nowhere
Time:    18 min on 2 CPU cores for three rounds of the CPU cases.
Writes:  benchmarks/results/checkpoints_<name>.json.

Weights are random, in a folder that every side loads; only shapes matter. Each case has processes
of its own, whose sides take turns. A turn of decoding draws from prompts of 64 tokens one token
("first") or 32 ("all"): a rate is that of the tokens between, so without the prompts. Its fraction
of the bandwidth is that of the bytes of weights which every token's pass has to read, at the
fastest rate at which one of the sides' processes read 1 GB. A turn of LoRA is a step with rank 8 on
all seven projections; operations are those of `checkpoints_sizes.Case.flop`, and their fraction is
of the peak that the device's maker states (`lab.lm.plan`), on a CPU of the rate of 2048^3.
Memory is the most that a process held during its turns, its model included, and on a GPU while it
was loaded. Seconds of CPU are written beside those of the clock: they compare sides also where a
machine is not quiet. The cases of GPUs are chosen where JAX sees one.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import tables, timing
from benchmarks.checkpoints_sizes import CASES, CPU, GPU, N_NEW, N_PROMPT, RANK, Case, save
from lab.lm.plan import KINDS

SIDES = ("jax", "transformers", "transformers_tuned")


def serve(library: str, of, prepared: tuple, case: Case, rounds: int) -> None:
    """Warm up, then serve the turns of one side, whose module is `of`, round after round."""
    loss, turns = prepared
    for turn in turns.values():
        turn()
    forget_peak()
    spent: dict[str, list[float]] = {kind: [] for kind in turns}

    def served() -> Iterator[str]:
        for _ in range(rounds):
            for kind, turn in turns.items():
                began = time.process_time()
                turn()
                spent[kind].append(round(time.process_time() - began, 3))
                yield kind

    def report() -> dict:
        on_device = of.device_peak()
        held = peak_mb() if on_device is None else on_device // 2**20
        found = timing.measured(library, {}, "float32" if on_device is None else case.dtype)
        if on_device is None:
            found["device"] = processor()
        more = {"loss": loss, "cpu_seconds": spent, "bandwidth": bandwidth(*of.stream())}
        return found | more | {"peak_mb": held}

    timing.serve(served(), report)


def processor() -> str:
    """The kind of CPU, and the widest vectors that it has."""
    text = Path("/proc/cpuinfo").read_text()
    name = text.partition("model name")[2].partition("\n")[0].strip("\t :")
    widest = (flag for flag in ("avx512_bf16", "avx512f", "avx2") if flag in text)
    return f"{name}, {next(widest, 'no AVX2')}"


def forget_peak() -> None:
    """Begin the process's peak of memory anew: loading is not what is measured."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> int:
    """Largest resident memory since then."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 2**10


def bandwidth(read: Callable[[], None], n_bytes: int) -> float:
    """Bytes a second, best of several reads."""
    times = []
    for _ in range(8):
        began = time.perf_counter()
        read()
        times.append(time.perf_counter() - began)
    return n_bytes / min(times)


def side(name: str, case: Case, rounds: int, models: Path) -> None:
    """In a child: what the process of this name does."""
    folder = models / case.shape
    if name == "models":
        return save(folder, case.shape)
    if name == "jax":
        from benchmarks import checkpoints_jax as ours
        from lab import devices

        devices.start()
        with devices.matmul_precision("float32" if case.dtype == "float32" else "bfloat16"):
            prepared = ours.prepare(folder, case, rounds + 1)
            return serve("jax", ours, prepared, case, rounds)
    from benchmarks import checkpoints_torch as theirs

    prepared = theirs.prepare(folder, case, tuned=name == "transformers_tuned")
    serve("torch", theirs, prepared, case, rounds)


def summary(side: timing.Side, case: Case, fastest: float) -> dict:
    """What the median turns say."""
    middle = {kind: statistics.median(times) for kind, times in side.seconds.items()}
    about = {
        "seconds": {kind: [round(s, 3) for s in times] for kind, times in side.seconds.items()},
        **{key: side.end[key] for key in ("cpu_seconds", "peak_mb", "device", "version", "loss")},
        "bandwidth_gb_per_second": round(side.end["bandwidth"] / 1e9, 1),
        "rate_2048_gflop_per_second": round(side.end["rate_2048"] / 1e9, 1),
    }
    if case.kind == "decode":
        passes = (N_NEW - 1) / (middle["all"] - middle["first"])
        return about | {
            "tokens_per_second": round(case.batch * passes, 2),
            "fraction": round(case.n_bytes * passes / fastest, 3),
        }
    names = (peak for kind, peak in KINDS.items() if kind in side.end["device"].replace(" ", ""))
    maker = next((kind.teraflops * 1e12 for kind in names), None)
    rate = case.flop / middle["step"]
    return about | {
        "tokens_per_second": round(case.batch * case.n_tokens / middle["step"], 2),
        "gflop_per_second": round(rate / 1e9, 1),
        "fraction": round(rate / (maker or side.end["rate_2048"]), 3),
    }


def run(name: str, arguments: argparse.Namespace, models: Path) -> dict[str, dict]:
    """The sides of a case, in processes of their own."""
    case = CASES[name]
    more = ("--models", str(models), "--case", name, "--side")

    def child(of: str) -> list[str]:
        python, *rest = timing.child(*more, of)
        return [arguments.torch_python if "transformers" in of else python, *rest]

    if not (models / case.shape).exists():
        subprocess.run(child("models"), check=True)
    chosen = [s for s in arguments.sides if case.kind == "lora" or s != "transformers_tuned"]
    sides = timing.take_turns([timing.Side(s, child(s)) for s in chosen])
    fastest = max(side.end["bandwidth"] for side in sides)
    return {side.name: summary(side, case, fastest) for side in sides}


def main() -> None:
    """Let the sides take turns, case by case, and write what they took."""
    parser = timing.command_line(__doc__, SIDES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", nargs="+", choices=CASES, help="default: those of this device")
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--models", type=Path, help="keeps the weights")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        return side(arguments.side, CASES[arguments.case], arguments.rounds, arguments.models)
    names, results = arguments.cases or _here(), {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            found = results[name] = run(name, arguments, arguments.models or Path(folder))
            for label, one in found.items():
                text = f"{name:20s}{label:20s}{one['tokens_per_second']:10,.1f} tokens/s"
                print(f"{text}{one['fraction']:7.0%}{one['peak_mb']:9,} MB", flush=True)
    mb = {name: CASES[name].n_bytes // 10**6 for name in names}
    sizes = {"prompt": N_PROMPT, "new": N_NEW, "rank": RANK, "model_mb": mb}
    timing.write(f"checkpoints_{arguments.name}", {**sizes, "cases": results}, tables.checkpoints)


def _here() -> list[str]:
    """The cases of this device, as a child sees it: no idle JAX stays beside the sides."""
    asked = [sys.executable, "-c", "import jax; print(jax.default_backend())"]
    backend = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    return list(CPU if backend == "cpu" else GPU)


if __name__ == "__main__":
    main()
