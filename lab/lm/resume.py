"""The state of a long training, kept beside what is made: a killed one goes on where it was.

On one machine what comes out has the bits that an unbroken training would have given.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import jax
from jaxtyping import PyTree

from lab import hosts
from lab.errors import LabError
from lab.identity import digest
from lab.runs import checkpoint, paths, records
from lab.runs.saving import saving

SECONDS = 600.0  # between two saves
_SHARE = 20  # of the time, 1 in so many is spent on saving at most


class Mark(TypedDict):
    """kept.json: which state is whole."""

    done: records.Count  # steps
    files: records.Digest


class Kept:
    """A folder for states of one training; it need not exist."""

    def __init__(self, folder: Path):
        self.folder = paths.inside(folder.parent, folder.name)
        self._next = time.monotonic() + SECONDS
        self._last: Path | None = None

    @classmethod
    def beside(cls, folders: Sequence[Path]) -> "Kept":
        """Of what is made in these folders together: alone, it would have other bits."""
        name = digest([folder.name for folder in folders])
        return cls(folders[0].with_name(f"{name}.training"))

    def found(self, fresh: PyTree) -> tuple[int, PyTree]:
        """Steps done and the state after them, as last kept; 0 and `fresh` if nothing whole is."""
        like = jax.tree.map(_described, fresh)
        done = hosts.from_main(self._done() if hosts.is_main() else 0)
        last = self.folder / str(done)
        try:
            if done:
                state = checkpoint.restore(last, like)
                self._last = last
                return done, state
        except LabError:  # of another shape: all is trained again
            pass
        return 0, fresh

    def _done(self) -> int:
        """Steps after which a whole state is there; 0 if there is none, or a damaged one."""
        try:
            mark = records.read(self._mark, Mark, "it is not needed", sealed=True)
            last = paths.inside(self.folder, str(mark["done"]))
            return mark["done"] if checkpoint.digest(last) == mark["files"] else 0
        except LabError:
            return 0

    def offer(self, done: int, state: PyTree) -> None:
        """Keep the state after so many steps, if it is time; the one before goes last."""
        # Hosts must agree, or one would wait in orbax for the others.
        if not hosts.from_main(time.monotonic() >= self._next):
            return
        began, now = time.monotonic(), self.folder / str(done)
        with saving(self.folder):
            self.folder.mkdir(exist_ok=True)
        checkpoint.save(now, state)
        mark = Mark(done=done, files=checkpoint.digest(now))
        if hosts.is_main():
            with saving(self._mark):
                records.write(self._mark, mark, sealed=True)
        if self._last is not None:
            checkpoint.delete(self._last)
        self._last = now
        ended = time.monotonic()
        self._next = ended + max(SECONDS, _SHARE * (ended - began))

    def remove(self) -> None:
        """What came of the training is saved."""
        checkpoint.delete(self.folder)

    @property
    def _mark(self) -> Path:
        return self.folder / "kept.json"


def _described(x: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)
