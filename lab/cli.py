"""From a command line to a run: presets, overrides, the run folder, errors in one line."""

import contextlib
import dataclasses
import io
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro
from rich.table import Table as RichTable

from lab import devices, results
from lab.errors import LabError
from lab.progress import console
from lab.results import Estimate, Result, Table
from lab.run import Run


@dataclasses.dataclass(frozen=True)
class Options:
    """Where to read and write, and how much at once; results change by rounding at most."""

    out: Path = Path("runs")
    """Folder that holds the run folders."""
    fresh: bool = False
    """Start over, discarding what the run folder holds."""
    data_dir: Path | None = None
    """Folder with MNIST's IDX files; default: $SUBLIMINAL_MNIST, else the cache."""
    group: int | None = None
    """Members trained at once; default: one per device on CPU, what fits on an accelerator."""


def start(
    experiment: str,
    doc: str,
    presets: Mapping[str, Any],
    prepare: Callable[[Any, Options], tuple[Any, dict]],
    main: Callable[[Any, Any, Run, Options], Result],
    draw: Callable[[Path], list[Path]],
    summary: Callable[[Table, dict], dict[str, list[Estimate]]] = results.summary,
    cpu_devices: int = 1,
) -> None:
    """Run an experiment as `python -m experiments.<experiment> [preset] [--field value ...]`.

    `prepare` loads what the configuration names and describes it for the hash; `main` computes;
    `draw` makes the figures from the run folder; `summary` is what the terminal shows of the table
    and its record, by heading. Errors of the user's end with status 2.
    """
    before = signal.signal(signal.SIGINT, _interrupted)
    try:
        config, options = parse(experiment, doc, presets, sys.argv[1:])
        devices.start(cpu_devices)
        data, dataset = prepare(config, options)
        with Run(options.out, experiment, config, dataset, options.fresh) as run:
            if run.complete:
                console.print(f"{run.folder} is complete; --fresh starts over", markup=False)
            else:
                if run.mark:
                    console.print(f"continuing {run.folder}", markup=False)
                run.finish(main(config, data, run, options))
            if devices.is_main():
                show(run.folder, draw(run.folder), summary)
    except LabError as error:
        fail(str(error))
    except OSError as error:
        fail(
            f"{error.filename or 'out'}: {error.strerror or error}; put that right and run it again"
        )
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        fail("group: the members do not fit into the device's memory; use a smaller --group")
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupted(*_) -> None:
    """Ctrl-C: say so and end at once.

    A run folder stands a kill at any moment. Unwinding does not: orbax would wait for the save that
    was interrupted, and the runtime crash on what still computes. Neither Python's buffers nor the
    progress bar may be entered again from a signal, so the line is written past them.
    """
    line = "interrupted; without --fresh the command continues from the last checkpoint\n"
    if console.is_terminal:
        line = f"\r\x1b[2K\x1b[?25h{line}"  # the bar's line away, the cursor back
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), line.encode())
    os._exit(130)


def members(text: str) -> np.ndarray:
    """Member numbers of a count ("8") or a range ("0:20")."""
    first, colon, last = text.rpartition(":")
    try:
        low, high = int(first or 0), int(last)
    except ValueError:
        low, high = 0, 0
    if low < 0 or not low < high < 2**31 or (colon and not first):
        raise LabError(f"members: {text!r} names no member; give a count (8) or a range (0:20)")
    return np.arange(low, high)


def fail(message: str) -> None:
    """Print the one line and end with status 2."""
    print(f"error: {message}", file=sys.stderr, flush=True)
    raise SystemExit(2)


def parse(experiment: str, doc: str, presets: Mapping[str, Any], argv: list[str]):
    """(configuration, options) from a preset name and overrides."""
    preset = "default"
    if argv and not argv[0].startswith("-"):
        preset, argv = argv[0], argv[1:]
    if preset not in presets:
        raise LabError(f"preset: unknown name {preset!r}; choose one of {', '.join(presets)}")
    kind = type(presets[preset])
    flat = Annotated[kind, tyro.conf.arg(name="")]
    both = dataclasses.make_dataclass(
        "Arguments", [("config", flat), ("options", Annotated[Options, tyro.conf.arg(name="")])]
    )
    problem = io.StringIO()
    try:
        with contextlib.redirect_stderr(problem):
            arguments = tyro.cli(
                both,
                prog=f"python -m experiments.{experiment} [{'|'.join(presets)}]",
                description=doc,
                default=both(presets[preset], Options()),
                args=argv,
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        # tyro draws a box; its words are one line without the frame.
        words = " ".join(re.sub(r"[^\x20-\x7e]", " ", problem.getvalue()).split())
        raise LabError(f"command line: {words.removeprefix('Parsing error ')}") from None
    return arguments.config, arguments.options


def show(
    folder: Path,
    figures: list[Path],
    summary: Callable[[Table, dict], dict[str, list[Estimate]]] = results.summary,
) -> None:
    """The summary tables, the paths written, and last the run folder."""
    record = results.read_json(folder / "run.json")
    table = results.read_table(folder / "table.csv")
    for heading, estimates in summary(table, record).items():
        text = RichTable("", heading, "95 % interval", "n")
        for estimate in estimates:
            text.add_row(
                estimate.label,
                f"{estimate.mean:.3f}",
                f"{estimate.low:.3f} to {estimate.high:.3f}" if estimate.n > 1 else "one run",
                str(estimate.n),
            )
        console.print(text)
    for path in (folder / "table.csv", *figures, folder):
        console.print(str(path), markup=False)
