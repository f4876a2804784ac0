"""The run folder: its lock, checkpoints, snapshots and final files.

runs/<experiment>/<hash>/ holds run.json (configuration, provenance and claims), table.csv,
figure.png and .pdf, and while a run is under way progress.json with the checkpoint it names.
"""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from lab import devices
from lab.errors import LabError
from lab.runs import checkpoint, provenance, results
from lab.runs.configs import as_json, config_hash, leaves, overrides

_CHECKPOINT_SECONDS = "SUBLIMINAL_CHECKPOINT_SECONDS"


class Run:
    """One run folder, owned from construction to `close`.

    Raises `LabError` if another process owns it, if it cannot be written, or if it belongs to
    another configuration.
    """

    def __init__(self, root: Path, experiment: str, config, dataset: dict, fresh: bool = False):
        self.experiment, self.config, self.dataset = experiment, config, dataset
        self.hash = config_hash(experiment, config, dataset)
        self.folder = Path(root) / experiment / self.hash
        self._lock = None
        self._sittings = [provenance.collect()]  # now: the working tree may change while we run
        self._earlier = 0.0
        self._began = self._saved = time.monotonic()
        self._every = float(os.environ.get(_CHECKPOINT_SECONDS, "20"))
        try:
            devices.on_main(lambda: self._take(fresh))
            self._mark = self._read_mark()
        except LabError:
            self.close()
            raise
        self._earlier = self._mark["seconds"] if self._mark else 0.0
        if devices.is_main() and not self.complete:
            results.write_json(self.folder / "run.json", self._record("running"))

    def _take(self, fresh: bool) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / "lock").open("w")
        except OSError as error:
            raise LabError(
                f"out: {self.folder} cannot be written ({error.strerror}); name another with --out"
            ) from error
        _flock(self._lock, self.folder)
        if fresh:
            # First what says that the folder holds something, so that a kill leaves no half-truth.
            for name in ("run.json", "progress.json"):
                (self.folder / name).unlink(missing_ok=True)
            for path in self.folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name != "lock":
                    path.unlink()
        if (self.folder / "run.json").exists():
            record = results.read_json(self.folder / "run.json")
            self._require_same(record)
            earlier, (now,) = results.sittings(record), self._sittings
            self._sittings = [one for one in earlier if one != now] + [now]
        if self.complete:
            self._drop_progress()

    def _require_same(self, record: dict) -> None:
        """Raise `LabError` if the folder holds another run, or one of other defaults."""
        found, ours = leaves(record.get("config", {})), leaves(as_json(self.config))
        other = [name for name in ours if name in found and found[name] != ours[name]]
        other += ["dataset"] * (record.get("dataset") != self.dataset)
        other += ["experiment"] * (record.get("experiment") != self.experiment)
        if other:
            raise LabError(
                f"out: {self.folder} holds a run of another configuration ({', '.join(other)}); "
                f"name another folder with --out, or start over with --fresh"
            )

    def _read_mark(self) -> dict | None:
        path = self.folder / "progress.json"
        if not path.exists():
            return None
        mark = results.read_json(path)
        if not {"label", "checkpoint", "seconds"} <= set(mark):
            raise LabError(f"checkpoint: {path} is damaged; rerun with --fresh to start over")
        return mark

    def _drop_progress(self) -> None:
        (self.folder / "progress.json").unlink(missing_ok=True)
        shutil.rmtree(self.folder / "checkpoint", ignore_errors=True)

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
        """Whether the table is written and final."""
        path = self.folder / "run.json"
        return path.exists() and results.read_json(path).get("status") == "complete"

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
        name = None
        if tree is not None:
            name = f"checkpoint/{(int(before.split('/')[1]) if before else 0) + 1}"
            checkpoint.save(self.folder / name, tree)
        self._mark = {"label": label, "checkpoint": name, "seconds": self.seconds}
        if devices.is_main():
            results.write_json(self.folder / "progress.json", self._mark)
        if before and before != name:
            checkpoint.delete(self.folder / before)

    def _due(self) -> bool:
        # Hosts must agree, or one would wait in orbax for the others: the first's clock decides.
        return devices.from_main(time.monotonic() - self._saved >= self._every)

    def restore(self, like):
        """The tree of the last `save`, in the shape of `like`."""
        name = self._mark["checkpoint"] if self._mark else None
        if not name:
            raise LabError(f"checkpoint: {self.folder} has none; rerun with --fresh to start over")
        return checkpoint.restore(self.folder / name, like)

    def snapshot(self, name: str, params) -> None:
        """Keep parameters (nested dicts of numpy arrays) as snapshots/<name>.safetensors."""
        if devices.is_main():
            (self.folder / "snapshots").mkdir(exist_ok=True)
        checkpoint.save_parameters(self.folder / "snapshots" / f"{name}.safetensors", params)

    def finish(self, rows: list[dict], described: Callable[[dict], dict] = dict) -> None:
        """Write the table and its record, `described` further; drop what only resumption needed."""
        devices.on_main(lambda: self._write(rows, described))

    def _write(self, rows: list[dict], described: Callable[[dict], dict]) -> None:
        results.write_table(self.folder / "table.csv", rows)
        results.write_json(self.folder / "run.json", described(self._record("complete")))
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
