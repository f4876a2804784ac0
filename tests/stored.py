"""Records as a run leaves them, for tests of what reads them."""

from pathlib import Path
from typing import Any

from lab.runs import records, results


def sitting(commit: str = "c") -> dict:
    """A process at a commit."""
    return {
        "git": {"commit": commit, "dirty": False},
        "packages": {},
        "device": {"kind": "cpu", "count": 1},
        "processes": 1,
    }


def described(record: dict, **more: Any) -> dict:
    """A record with all that an experiment says of a table of `accuracy`."""
    known = {"units": {"accuracy": "fraction"}, "cell": ["member"], "command": "x", "claims": []}
    return {**record, **known, **more}


def record(**more: Any) -> dict:
    """The record of a complete run."""
    known = {
        "experiment": "x", "status": "complete", "hash": "0", "wall_seconds": 1.5, "overrides": {},
        "dataset": {"name": "digits"}, "config": {"members": "", "dataset": "auto"},
        "sittings": [sitting()],
    }  # fmt: skip
    return described({**known, **more}, **more)


def change(path: Path, **values: Any) -> None:
    """Change a sealed record as somebody does who renews its seal."""
    whole = records.read(path, dict, "", sealed=True)
    records.write(path, whole | values, sealed=True)


def store(path: Path, rows: list[dict], **more: Any) -> Path:
    """A table and its record as run.json in a folder, or as NAME.json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    results.write(path, rows, record(**more))
    return path
