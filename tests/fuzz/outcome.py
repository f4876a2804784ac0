"""What a command did, in this process; and what every command of the lab promises."""

import contextlib
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from lab import devices


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    out: str
    err: str


def of(main: Callable[[], None], *words: str) -> Outcome:
    """The outcome of a command's main function, told these words."""
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with (
        mock.patch.object(sys, "argv", ["x", *words]),
        mock.patch.object(devices, "start", lambda *_: None),  # once a process, not once a command
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return Outcome(status, out.getvalue(), err.getvalue())


def require(outcome: Outcome, words: object = "") -> None:
    """Status 0 with nothing on stderr, or 2 with one line of error."""
    said = f"{words}\nstatus {outcome.status}\n{outcome.out[-2000:]}\n{outcome.err[-4000:]}"
    if outcome.status == 0:
        assert "Traceback" not in outcome.err, said
        return
    assert outcome.status == 2, said
    lines = outcome.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), said
    assert len(lines[0]) < 1000, said


@dataclass(frozen=True)
class Outside:
    """Files beside the roots, which nothing may touch."""

    folder: Path

    @classmethod
    def at(cls, folder: Path) -> "Outside":
        """A folder with a file and a folder with a file."""
        (folder / "inner").mkdir(parents=True)
        for path in (folder / "file", folder / "inner" / "file"):
            path.write_text("not yours")
        return cls(folder)

    def require_untouched(self) -> None:
        """Raise if anything was written, emptied or removed."""
        found = {
            str(path.relative_to(self.folder)): path.is_file() and path.read_text()
            for path in self.folder.rglob("*")
        }
        assert found == {"file": "not yours", "inner": False, "inner/file": "not yours"}, found
