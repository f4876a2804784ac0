"""From a command line to a run: presets, overrides, the run folder, errors in one line."""

import contextlib
import dataclasses
import io
import math
import os
import re
import signal
import sys
from pathlib import Path
from typing import Annotated

import tyro
from rich.markup import escape
from rich.table import Table as RichTable

from lab import devices, hosts
from lab.errors import LabError
from lab.runs import claims, configs, results
from lab.runs.endings import one_line
from lab.runs.experiment import Experiment, Options
from lab.runs.progress import console
from lab.runs.results import FRESH
from lab.runs.run import Run


def start(experiment: Experiment) -> None:
    """Run an experiment as `python -m experiments.<name> [preset] [--field value ...]`.

    Errors of the user's end with status 2.
    """
    before = signal.signal(signal.SIGINT, _interrupted)
    try:
        with one_line():
            config, options = parse(experiment, sys.argv[1:])
            devices.start(experiment.cpu_devices(config), options.shards)
            console.quiet = not hosts.is_main()  # all of them would say the same
            data, dataset = experiment.prepare(config, options)
            with Run(options.out, experiment.name, config, dataset, options.fresh) as run:
                _run(experiment, run, config, data, options)
    finally:
        signal.signal(signal.SIGINT, before)


def _run(experiment: Experiment, run: Run, config, data, options: Options) -> None:
    """Run to the end, or show what an earlier process did."""
    again = run.complete
    if again:
        console.print(f"{run.folder} is complete; --fresh starts over", markup=False)
    else:
        if run.mark:
            console.print(f"continuing {run.folder}", markup=False)
        experiment.finish(run, experiment.measure(config, data, run, options))
    if hosts.is_main():
        show(
            run.folder, _drawn_again(experiment, run) if again else experiment.draw_run(run.folder)
        )


def _drawn_again(experiment: Experiment, run: Run) -> list[Path]:
    """The figure of a record that somebody else wrote: it may not say what the figure shows."""
    try:
        return experiment.draw_run(run.folder)
    except (LookupError, TypeError, ValueError) as error:
        if isinstance(error, LabError):
            raise
        why = f"{type(error).__name__}: {error}"
        path = run.folder / "run.json"
        raise LabError(f"{path} does not say what its figure shows ({why}); {FRESH}") from error


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


def parse(experiment: Experiment, argv: list[str]):
    """(configuration, options) from a preset name and overrides."""
    presets, preset = experiment.presets, "default"
    if argv and not argv[0].startswith("-"):
        preset, argv = argv[0], argv[1:]
    if preset not in presets:
        raise LabError(f"preset: unknown name {preset!r}; choose one of {', '.join(presets)}")
    kind = type(presets[preset])
    flat = Annotated[kind, tyro.conf.arg(name="")]
    both = dataclasses.make_dataclass(
        "Arguments", [("config", flat), ("options", Annotated[Options, tyro.conf.arg(name="")])]
    )
    if {"-h", "--help"} & set(argv):  # not tyro's description, which would flow the lines
        print(f"{experiment.doc.strip()}\n\n{_presets(experiment)}\n")
    problem = io.StringIO()
    try:
        with contextlib.redirect_stderr(problem):
            arguments = tyro.cli(
                both,
                prog=f"python -m experiments.{experiment.name} [{'|'.join(presets)}]",
                description="",
                default=both(presets[preset], Options()),
                args=argv,
                config=(tyro.conf.AvoidSubcommands,),
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        # tyro draws a box; its words are one line without the frame.
        words = " ".join(re.sub(r"[^\x20-\x7e]", " ", problem.getvalue()).split())
        # What a part of the configuration refuses is in its own words, under the part's name.
        refused = re.search(r"parsing config\.([\w.]+): (\w+: .*?)[ -]* For full helptext", words)
        if refused:
            raise LabError(".".join(refused.groups())) from None
        raise LabError(f"command line: {words.removeprefix('Parsing error ')}") from None
    return arguments.config, arguments.options


def _presets(experiment: Experiment) -> str:
    """What each preset changes."""
    lines = ["Presets, and what they change:"]
    for name, preset in experiment.presets.items():
        changes = configs.changes(preset, experiment.presets["default"])
        said = ", ".join(f"{k.replace('_', '-')} {v}" for k, v in changes.items())
        lines.append(f"    {name:9}{said or 'nothing: the values below'}")
    return "\n".join(lines)


def show(folder: Path, figures: list[Path]) -> None:
    """What the table says, the rules of its verdicts, the paths written, last the run folder."""
    record = results.read_record(folder / "run.json")
    found = claims.of_record(record).values()
    for group in dict.fromkeys(c.group for c in found):
        some = [c for c in found if c.group == group]
        heads = [h for h in ("null", "published", "verdict") if any(getattr(c, h) for c in some)]
        text = RichTable("", escape(group or "measured"))
        for head in ("95 % interval", "n", *heads):
            text.add_column(head, no_wrap=head in ("95 % interval", "verdict"))
        for c in some:
            mean, low, high = (f"{x:.{c.digits}f}" for x in (c.mean, c.low, c.high))
            ends = "one run" if math.isnan(c.low) else f"{low} to {high}"
            more = [getattr(c, head) for head in heads]
            text.add_row(*map(escape, (c.text, mean, ends, c.runs or str(c.n), *more)))
        console.print(text)
    for line in dict.fromkeys([f"rule: {c.rule}" for c in found if c.rule]):
        console.print(line, markup=False)
    if note := record.get("note"):
        console.print(note, markup=False)
    for path in (folder / "table.csv", *figures, folder):
        console.print(str(path), markup=False)
