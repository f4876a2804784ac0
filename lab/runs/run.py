"""The run folder: its lock, checkpoints, snapshots and final files.

runs/<experiment>/<hash>/ holds run.json (configuration, provenance and claims), table.csv,
figure.png and .pdf, and while a run is under way progress.json with the checkpoint it names.
"""

import time
from collections.abc import Callable
from pathlib import Path

from lab import hosts
from lab.errors import LabError
from lab.runs import checkpoint, environment, paths, provenance, records, results
from lab.runs.configs import as_json, config_hash, leaves, overrides
from lab.runs.records import Progress
from lab.runs.results import FRESH
from lab.runs.saving import saving

_CHECKPOINT_SECONDS = "SUBLIMINAL_CHECKPOINT_SECONDS"


class Run:
    """One run folder, owned from construction to `close`.

    Raises `LabError` if another process owns it, if it cannot be written, if it belongs to another
    configuration, or if what it holds is damaged.
    """

    def __init__(self, root: Path, experiment: str, config, dataset: dict, fresh: bool = False):
        self.experiment, self.config, self.dataset = experiment, config, dataset
        self.hash = config_hash(experiment, config, dataset)
        self.folder = paths.inside(Path(root), f"{experiment}/{self.hash}")
        self._lock = None
        self._facts: dict[str, float] = {}
        self._sittings = [provenance.collect()]  # now: the working tree may change while we run
        self._earlier = 0.0
        self._began = self._saved = time.monotonic()
        self._every = environment.number(_CHECKPOINT_SECONDS, 20)
        try:
            hosts.on_main(lambda: self._take(fresh))
            hosts.require_shared(self.folder, "name one with --out")
            self._mark = self._read_mark()
            self._earlier = self._mark["seconds"] if self._mark else 0.0
            if hosts.is_main() and not self.complete:
                records.write(self._path("run.json"), self._record("running"), sealed=True)
        except (LabError, OSError):
            self.close()
            raise

    def _path(self, name: str) -> Path:
        """Of something in the folder, which no link leads out of."""
        return paths.inside(self.folder, name, FRESH)

    def _take(self, fresh: bool) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = paths.open_lock(self.folder / "lock")
        except OSError as error:
            raise LabError(
                f"out: {self.folder} cannot be written ({error.strerror}); name another with --out"
            ) from error
        _flock(self._lock, self.folder)
        if fresh:
            # First what says that the folder holds something, so that a kill leaves no half-truth.
            first = [self.folder / name for name in ("run.json", "progress.json")]
            for path in [*first, *self.folder.iterdir()]:
                if path.name != "lock":
                    paths.remove(path)
        if (record := self._stored()) is not None:
            self._require_same(record)
            self._facts = record.get("facts", {})
            earlier, (now,) = record["sittings"], self._sittings
            self._sittings = [one for one in earlier if one != now] + [now]
            if record["status"] == "complete":
                self._drop_progress()

    def _stored(self) -> dict | None:
        """What run.json says, if there is one."""
        path = self._path("run.json")
        return results.read_record(path) if path.exists() else None

    def _require_same(self, record: dict) -> None:
        """Raise `LabError` if the folder holds another run, or one of other defaults."""
        found, ours = leaves(record["config"]), leaves(as_json(self.config))
        other = [name for name in ours if name in found and found[name] != ours[name]]
        other += ["dataset"] * (record["dataset"] != self.dataset)
        other += ["experiment"] * (record["experiment"] != self.experiment)
        if other or record.get("hash") != self.hash:
            raise LabError(
                f"out: {self.folder} holds a run of another configuration "
                f"({', '.join(other) or 'hash'}); name another folder with --out, or start over "
                "with --fresh"
            )

    def _read_mark(self) -> Progress | None:
        path = self._path("progress.json")
        if not path.exists():
            return None
        mark = records.read(path, Progress, FRESH, sealed=True)
        if mark["run"] != f"{self.experiment}/{self.hash}":
            raise LabError(f"{path} is of another configuration; {FRESH}")
        return mark

    def _drop_progress(self) -> None:
        paths.remove(self.folder / "progress.json")
        checkpoint.delete(self.folder / "checkpoint")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def complete(self) -> bool:
        """Whether the table is written and final. Raises `LabError` if it was changed since."""
        record = self._stored()
        return record is not None and record["status"] == "complete"

    @property
    def seconds(self) -> float:
        """Wall seconds spent on this run, by every process that worked on it."""
        return self._earlier + time.monotonic() - self._began

    @property
    def mark(self) -> dict | None:
        """What an earlier process last noted with `save`."""
        return self._mark["label"] if self._mark else None

    def save(self, label: dict, tree=None, force: bool = False) -> None:
        """Note `label` and `tree` as the point to continue from, at most every 20 s unless forced.

        The tree is on disk before the note names it, and the one it replaces goes last.
        """
        if not (force or self._due()):
            return
        self._saved = time.monotonic()
        before = self._mark["checkpoint"] if self._mark else None
        name = files = None
        if tree is not None:
            name = f"checkpoint/{(int(before.split('/')[1]) if before else 0) + 1}"
            checkpoint.save(self._path(name), tree)
            files = checkpoint.digest(self._path(name))
        mark: Progress = {
            "run": f"{self.experiment}/{self.hash}",
            "label": label,
            "checkpoint": name,
            "files": files,
            "seconds": self.seconds,
        }
        if hosts.is_main():
            records.write(self._path("progress.json"), mark, sealed=True)
        self._mark = mark
        if before and before != name:
            checkpoint.delete(self._path(before))

    def _due(self) -> bool:
        # Hosts must agree, or one would wait in orbax for the others: the first's clock decides.
        return hosts.from_main(time.monotonic() - self._saved >= self._every)

    def restore(self, like):
        """The tree of the last `save`, in the shape of `like`."""
        name = self._mark["checkpoint"] if self._mark else None
        if self._mark is None or name is None:
            raise LabError(f"checkpoint: {self.folder} has none; {FRESH}")
        path = self._path(name)
        if checkpoint.digest(path) != self._mark["files"]:
            raise LabError(f"checkpoint: {path} was changed after it was written; {FRESH}")
        return checkpoint.restore(path, like)

    def snapshot(self, name: str, params) -> None:
        """Keep parameters (nested dicts of numpy arrays) as snapshots/<name>.safetensors."""
        path = self._path("snapshots") / f"{name}.safetensors"
        if hosts.is_main():
            path.parent.mkdir(exist_ok=True)
            paths.vacate(path)
        checkpoint.save_parameters(path, params)

    def keep_file(self, source: Path, name: str) -> None:
        """Keep a copy of a file as `name`, below the run folder."""
        target = self._path(name)
        if hosts.is_main():
            target.parent.mkdir(exist_ok=True)
            with saving(target):
                paths.write_atomic(target, source.read_bytes())

    def tell(self, name: str, fact: float) -> bool:
        """Put a number that was found on the way into the record; whether it is new there."""
        new = name not in self._facts
        if new:
            self._facts[name] = fact
            if hosts.is_main():
                records.write(self._path("run.json"), self._record("running"), sealed=True)
        return new

    def finish(self, rows: list[dict], described: Callable[[dict], dict]) -> None:
        """Write the table and its record, `described` further; drop what only resumption needed.

        Raises `LabError` for a table that is not to be kept, as one with a nan in it.
        """
        hosts.on_main(lambda: self._write(rows, described))

    def _write(self, rows: list[dict], described: Callable[[dict], dict]) -> None:
        results.write(self._path("run.json"), rows, described(self._record("complete")))
        self._drop_progress()

    def _record(self, status: str) -> dict:
        return {
            "experiment": self.experiment,
            "status": status,
            "hash": self.hash,
            "config": as_json(self.config),
            "overrides": overrides(self.config),
            "dataset": self.dataset,
            "wall_seconds": round(self.seconds, 1),
            "peak_memory_mb": provenance.peak_memory_mb(),
            "sittings": self._sittings,
            **({"facts": self._facts} if self._facts else {}),
        }


def _flock(file, folder: Path) -> None:
    """An exclusive lock that the system drops when the process ends, however it ends."""
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise LabError(
            f"out: {folder} is in use by another process; wait for it, or name another with --out"
        ) from error
