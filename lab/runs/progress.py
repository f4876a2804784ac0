"""A progress bar on a terminal, and a line now and then elsewhere."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to `endings.one_line`; rich would end here with status 1 and no word."""
        raise BrokenPipeError


console = _Console(highlight=False, soft_wrap=True)
_LINE_SECONDS = 30


class Meter:
    """Counts units of work; `done` units were finished by an earlier process."""

    def __init__(self, total: int | float, done: int | float = 0):
        self._total, self._done, self._first = total, done, done
        self._began = self._line = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total)
        self._bar.update(self._task, completed=done)

    def __enter__(self):
        self._bar.start()
        return self

    def __exit__(self, *_):
        self._bar.stop()

    def reach(self, done: int | float) -> None:
        """So many units are done in all, whatever was told on the way."""
        self._done = done
        self._bar.update(self._task, completed=done)

    def advance(self, text: str, n: int | float = 1) -> None:
        """So many more units are done; `text` says what they were."""
        self._done += n
        self._bar.update(self._task, advance=n, description=text)
        now = time.monotonic()
        if not console.is_terminal and now - self._line > _LINE_SECONDS:
            self._line = now
            rate = (self._done - self._first) / (now - self._began)
            left = (self._total - self._done) / rate
            console.print(f"{text}: {self._done / self._total:.0%}, {left / 60:.1f} min left")
