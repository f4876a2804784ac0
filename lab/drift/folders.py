"""Any teacher, student and start on this disk: Hugging Face checkpoints, or snapshots of the lab.

A name is a Hugging Face folder or hub id, a snapshot's file, a folder of snapshots or a run folder
that holds one, or FOLDER/ARM where several models lie together (snapshots/student_aux).
"""

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from lab.drift.displacement import ALL, Heads, displacement, flat, norm
from lab.drift.geometry import UNITS as GEOMETRY
from lab.drift.geometry import directions, geometry, parts_of
from lab.errors import LabError
from lab.identity import digest
from lab.lm import given, hf
from lab.runs import checkpoint, records
from lab.runs.progress import console

ROLES = ("teacher", "student", "start")
UNITS = {
    "length": "of the student's displacement",
    "teacher_length": "of the teacher's displacement",
    **GEOMETRY,
}
_SNAPSHOTS = ".safetensors"
# As `Run.snapshot` names what MNIST experiments keep (all members of a group in a file), and what
# language experiments do.
_STACKED = re.compile(r"(?P<arm>\w+)_step-(?P<step>\d+)_members-(?P<first>\d+)-(?P<last>\d+).*")
_ALONG = re.compile(r"member_(?P<first>\d+)_(?P<arm>(student|cross)_\w+)_(?P<step>\d+)")
_TEACHER = re.compile(r"member_(?P<first>\d+)_(?P<arm>teacher_\w+)")


class Snapshot(NamedTuple):
    """Parameters on disk, of one member at one step."""

    step: int
    load: Callable[[], PyTree]
    sha256: str


class Series(NamedTuple):
    """A model, at one or more steps of its training."""

    name: str  # without the folders above it
    snapshots: list[Snapshot]
    heads: Heads | None = None  # of attention, where the files say


def asked_for(argv: list[str]) -> bool:
    """Whether a command line names checkpoints."""
    return any(word.partition("=")[0] in [f"--{role}" for role in ROLES] for word in argv)


def opened(role: str, name: str, member: int) -> Series:
    """The model of a name. Raises `LabError`, which names the role, for one that there is not."""
    if not name:
        raise LabError(f"{role}: no model is named; give --teacher, --student and --start")
    path = Path(name)
    if path.is_file() and path.suffix == _SNAPSHOTS:
        return _series(role, name, [path], member)
    for folder, arm in ((path, None), (path.parent, path.name)):
        if (folder / hf.CONFIG).is_file() or (arm and path.exists()):
            break
        for inside in (folder / "snapshots", folder):
            if files := sorted(inside.glob(f"*{_SNAPSHOTS}")):
                some = _of(role, name, files, member, arm)
                return _series(role, name, some, member)
    made = given.checkpoint(name, role)
    arch = hf.architecture(made.folder)
    one = Snapshot(0, lambda: hf.load(made.folder)[1], digest(made.identity, 64))
    return Series(given.name_of(name), [one], Heads(arch.n_heads, arch.n_kv_heads))


def _said(path: Path) -> dict[str, str]:
    """What a snapshot's name says: arm, step and members, as far as it does."""
    kinds = (_STACKED, _ALONG, _TEACHER)
    match = next(filter(None, (kind.fullmatch(path.stem) for kind in kinds)), None)
    return {"arm": path.stem} if match is None else match.groupdict()


def _of(role: str, name: str, files: list[Path], member: int, arm: str | None) -> list[Path]:
    """Of a folder's snapshots, those of a member's model that has a role, or is named."""

    def has(path: Path) -> bool:
        said = _said(path)
        first = int(said.get("first", member))
        return first <= member <= int(said.get("last", first))

    plays = {
        "teacher": lambda arm: arm.startswith("teacher"),
        "start": lambda arm: arm.startswith("reference"),
        "student": lambda arm: not arm.startswith(("teacher", "reference")),
    }[role]
    if not (own := [path for path in files if has(path)]):
        raise LabError(f"member: {name} holds no snapshot of member {member}; choose another")
    known = dict.fromkeys(_said(path)["arm"] for path in own)
    chosen = [one for one in known if (one == arm if arm else plays(one))]
    if len(chosen) != 1:
        folder, names = (Path(name).parent if arm else Path(name)), chosen or list(known)
        what = "several models" if chosen else "no such model"
        raise LabError(
            f"{role}: {folder} holds {what} ({', '.join(names[:8])}); name {folder / names[0]}, "
            "or another of them"
        )
    return [path for path in own if _said(path)["arm"] == chosen[0]]


def _series(role: str, name: str, files: list[Path], member: int) -> Series:
    found = []
    for path in files:
        said = _said(path)
        at = member - int(said["first"]) if "last" in said else None
        found.append(
            Snapshot(int(said.get("step", 0)), partial(_load, role, path, at), records.digest(path))
        )
    return Series(Path(name).name, sorted(found, key=lambda one: one.step))


def _load(role: str, path: Path, at: int | None) -> PyTree:
    whole = checkpoint.load_parameters(path)
    count = min((x.shape[0] for x in jax.tree.leaves(whole) if x.ndim), default=0)
    if at is not None and not 0 <= at < count:
        raise LabError(f"member: {path} holds {count} members; choose another (--member)")
    return whole if at is None else jax.tree.map(lambda x: x[at], whole)


def prepare(config: Any, options: Any) -> tuple[dict[str, Series], dict]:
    """The three models, and what identifies them: names and digests of files, no places."""
    found = {role: opened(role, getattr(config, role), config.member) for role in ROLES}
    known: dict[str, Any] = {"name": "checkpoints"}
    for role, one in found.items():
        sums = [[s.step, s.sha256] for s in one.snapshots]
        known[role] = {"name": one.name, "sha256": digest(sums, 64)}
    return found, known | {"sha256": digest(known, 64)}


def _require_same(role: str, name: str, tree: PyTree, start: PyTree) -> None:
    """Raise `LabError` unless a model has the arrays of the start."""
    remedy = "compare models of one architecture"
    own, known = flat(tree), flat(start)
    for path in [*known, *own]:
        if path not in own or path not in known:
            has = "lacks" if path not in own else "has"
            raise LabError(f"{role}: {name} {has} {path}, unlike the start; {remedy}")
        if own[path].shape != known[path].shape:
            shapes = f"{own[path].shape}, and in the start {known[path].shape}"
            raise LabError(f"{role}: {name} has {path} in the shape {shapes}; {remedy}")


def rows(models: dict[str, Series], k: int, place: dict) -> Iterable[dict]:
    """A row for each step of the student and each part: the whole, layers, attention heads.

    Raises `LabError` for models that cannot be compared.
    """
    exact = lambda load: jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), load())
    start = exact(models["start"].snapshots[0].load)
    teacher = exact(models["teacher"].snapshots[-1].load)
    _require_same("teacher", models["teacher"].name, teacher, start)
    heads = next((m.heads for m in models.values() if m.heads and "layers" in start), None)
    way = parts_of(displacement(start, teacher), heads)
    if not float(norm(dict(way[ALL]))) > 0:
        raise LabError("teacher: it is the start itself, and has no way; name one that was trained")
    axes = directions(way, k)
    for one in models["student"].snapshots:
        student = exact(one.load)
        _require_same("student", models["student"].name, student, start)
        moved = parts_of(displacement(start, student), heads)
        found = geometry(moved, way, axes)
        console.print(f"student at step {one.step}: {len(moved)} parts", markup=False)
        for i, part in enumerate(moved):
            lengths = [float(norm(dict(x[part]))) for x in (moved, way)]
            named = dict(zip(("length", "teacher_length"), lengths, strict=True))
            columns = {name: float(values[i]) for name, values in found.items()}
            yield {"arm": "student", **place, "step": one.step, "part": part} | named | columns
