"""JSON files, checked when read: that they are whole, and that they have the shape of their kind.

Kinds are types (`TypedDict`, `dict[str, float]`, ...). A sealed file holds the SHA-256 of the rest
of it, and so tells a change by accident or by hand; it is no signature.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec

from lab.errors import LabError
from lab.runs.paths import write_atomic

SEAL = "sha256"


def read(path: Path, kind: Any, remedy: str, sealed: bool = False) -> Any:
    """The value in a JSON file, with all that it holds but its seal.

    Raises `LabError`, which names the file and the remedy, for one that is missing, is not JSON,
    has not the shape of `kind`, or was changed after it was sealed.
    """
    try:
        value: Any = _parsed(whole(path, remedy))
        given = value.pop(SEAL, None) if sealed and isinstance(value, dict) else None
        msgspec.convert(value, kind)
        same = not sealed or given == seal(value)
    except (ValueError, RecursionError) as error:  # of json, of unicode and of msgspec
        if isinstance(error, LabError):
            raise
        raise LabError(f"{path} is damaged ({_first(error)}); {remedy}") from error
    if not same:
        raise LabError(f"{path} was changed, or is of an earlier version; {remedy}")
    return value


def whole(path: Path, remedy: str) -> bytes:
    """The bytes of a file. Raises `LabError` for one that cannot be read, or is none."""
    try:
        if path.exists() and not path.is_file():  # a folder, a pipe
            raise LabError(f"{path} is no file; {remedy}")
        return path.read_bytes()
    except OSError as error:
        raise LabError(f"{path} cannot be read ({error.strerror}); {remedy}") from error


def write(path: Path, value: Any, sealed: bool = False) -> None:
    """`value` as indented JSON, keys in their own order: it is the order of a table's columns.

    Raises `LabError` for a number that JSON has not.
    """
    full = {**value, SEAL: seal(value)} if sealed else value
    try:
        text = json.dumps(full, indent=1, allow_nan=False)
    except ValueError as error:
        raise LabError(f"{path}: a number for it is nan or infinite; choose others") from error
    write_atomic(path, text + "\n")


def seal(value: dict) -> str:
    """SHA-256 of a value as JSON, its seal left out."""
    rest = json.loads(json.dumps({k: v for k, v in value.items() if k != SEAL}))
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require(value: Any, kind: Any, what: str, remedy: str) -> None:
    """Raise `LabError`, which names `what` and the remedy, for a value that is not of a kind."""
    try:
        msgspec.convert(value, kind)
    except (ValueError, RecursionError) as error:
        raise LabError(f"{what} is damaged ({_first(error)}); {remedy}") from error


def _parsed(data: bytes) -> Any:
    """JSON as it is strictly: Python's has nan and infinity, and of a key's two values the last."""

    def finite(text: str) -> float:
        if not math.isfinite(value := float(text)):
            raise ValueError(f"{text[:20]} is no number")
        return value

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            raise ValueError(f"{max(names, key=names.count)[:60]} is there twice")
        return found

    return json.loads(
        data.decode(), parse_float=finite, parse_constant=finite, object_pairs_hook=unique
    )


def _first(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:120]


Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Leaf = int | float | str | bool
Row = dict[str, Leaf]


class Named(TypedDict):
    """What something is called; what else identifies it stands beside that."""

    name: str


class Dataset(Named):
    """What a run's data are, and models and rows that were given to it."""

    model: NotRequired[Named]
    other: NotRequired[Named]
    rows: NotRequired[Named]


class Git(TypedDict):
    """The commit that a process ran."""

    commit: str
    dirty: bool


class Device(TypedDict):
    """What it ran on."""

    kind: str
    count: Annotated[int, msgspec.Meta(ge=1, le=2**16)]


class Sitting(TypedDict):
    """A process that worked on a run."""

    git: Git | None
    packages: dict[str, str]
    device: Device
    processes: int


class Record(TypedDict):
    """run.json: what a run is."""

    experiment: str
    status: Literal["running", "complete"]
    config: dict[str, Any]
    dataset: Dataset
    sittings: Annotated[list[Sitting], msgspec.Meta(min_length=1)]
    # Of a run folder; a table that was merged from several has them in `folders`.
    hash: NotRequired[str]
    overrides: NotRequired[dict[str, Any]]
    wall_seconds: NotRequired[Seconds]
    peak_memory_mb: NotRequired[Count]
    facts: NotRequired[dict[str, float]]  # found on the way, that identify nothing
    folders: NotRequired[list[dict[str, Any]]]


class ClaimRecord(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of `lab.runs.claims.Claim`; null is a number's nan."""

    text: str
    mean: float | None
    low: float | None
    high: float | None
    n: Count
    unit: str = ""
    published: str = ""
    null: str = ""
    verdict: str = ""
    rule: str = ""
    runs: str = ""
    group: str = ""
    detail: bool = False


class Complete(Record):
    """run.json of a complete run: what its table is, and what it says."""

    table: Digest  # of table.csv
    units: dict[str, str]  # of the measured columns
    cell: list[str]  # the columns of a cell
    command: str
    claims: list[ClaimRecord]
    note: NotRequired[str]


class Progress(TypedDict):
    """progress.json: where an interrupted run continues."""

    run: str  # whose it is: experiment/hash
    label: dict[str, Any]
    checkpoint: Annotated[str, msgspec.Meta(pattern="^checkpoint/[0-9]{1,12}$")] | None
    files: Digest | None  # of the checkpoint's
    seconds: Seconds  # of wall time until then


class Open(TypedDict):
    """A group of cells that is under way."""

    cells: list[str]
    size: Count
    step: Count
    rows: list[Row]


class Label(TypedDict):
    """What a progress note says of cells."""

    cells: dict[str, list[Row]]
    open: Open | None
