"""Ways to damage a file: its bytes, its place, and what it says."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

from lab.runs import records

BYTES = ("truncate", "flip", "empty", "random", "zeros", "double", "letter")
PLACE = ("delete", "folder", "link", "dangling", "swap")
SAID = ("leaf", "drop", "add", "list", "deep", "huge")
JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 10**30, 0.5, float("nan"), float("inf"), "", "x", "0", "1:2",
    "../../../outside", "checkpoint/1/../../../../outside", "/etc/passwd", "\x00", "é" * 300, [],
    [[]], {}, {"a": {}}, [1, "a"], {"x": None},
)  # fmt: skip
Rng = random.Random


def kinds(path: Path) -> tuple[str, ...]:
    """The ways that suit a file."""
    return BYTES + PLACE + (SAID if path.suffix in (".json", ".jsonl") else ())


def damage(path: Path, how: str, rng: Rng, outside: Path, sealed: bool = False) -> None:
    """Change a file; with `sealed` as somebody does who renews its seal."""
    if how in BYTES:
        path.write_bytes(_bytes(path.read_bytes(), how, rng))
    elif how in PLACE:
        _place(path, how, rng, outside)
    else:
        first, *rest = (
            path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        )
        value = _said(json.loads(first), how, rng)
        if sealed and isinstance(value, dict) and records.SEAL in value:
            value[records.SEAL] = records.seal(value)
        path.write_text("\n".join([_text(value), *rest]))


def _text(value: Any) -> str:
    if isinstance(value, str) and value.startswith("DEEP"):
        return "[" * 100_000
    return json.dumps(value)


def _bytes(data: bytes, how: str, rng: Rng) -> bytes:
    if how == "truncate":
        return data[: rng.randrange(len(data) or 1)]
    if how in ("flip", "letter"):
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 8))):
            if changed:
                i = rng.randrange(len(changed))
                new = rng.randrange(256) if how == "flip" else rng.choice(b'0123456789.,"-ae \n')
                changed[i] = new
        return bytes(changed)
    if how == "random":
        return rng.randbytes(len(data))
    return {"empty": b"", "zeros": bytes(len(data)), "double": data + data}[how]


def _place(path: Path, how: str, rng: Rng, outside: Path) -> None:
    if how == "swap":
        others = [p for p in path.parent.iterdir() if p.is_file() and p != path]
        if others:
            shutil.copy(rng.choice(sorted(others)), path)
        return
    path.unlink()
    if how == "folder":
        path.mkdir()
        if rng.random() < 0.5:
            (path / "file").write_text("x")
    elif how == "link":
        path.symlink_to(rng.choice((outside / "file", outside / "inner")))
    elif how == "dangling":
        path.symlink_to(outside / "none")


def _said(value: Any, how: str, rng: Rng) -> Any:
    """JSON with one change, somewhere."""
    if how == "list":
        return rng.choice(JUNK)
    if how == "deep":
        return "DEEP"
    places = list(_places(value))
    if not places:
        return rng.choice(JUNK)
    holder, key = rng.choice(places)
    if how == "leaf":
        holder[key] = rng.choice(JUNK)
    elif how == "huge":
        holder[key] = rng.choice((10**400, "9" * 10_000, -(10**18), 1e308))
    elif how == "drop":
        del holder[key]
    elif isinstance(holder, dict):
        holder[rng.choice(("a", "checkpoint", "members", "config", "arm"))] = rng.choice(JUNK)
    else:
        holder.append(rng.choice(JUNK))
    return value


def _places(value: Any):
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, child in inner:
        yield value, key
        yield from _places(child)
