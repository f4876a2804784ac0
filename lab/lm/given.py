"""Checkpoints that a user names: a Hugging Face folder, or a hub id that is on this disk already.

Nothing is ever fetched: a model comes over the network only where a person says so.
"""

import difflib
import re
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.identity import digest
from lab.lm import chat, hf
from lab.lm.stages import Checkpoint
from lab.lm.tokenizer import Tokenizer

SYSTEMS = {"default": None, "none": ""}  # others are texts of their own
_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def checkpoint(name: str, field: str = "model") -> Checkpoint:
    """The checkpoint in a folder, or of a hub id in the hub's cache.

    Raises `LabError`, which names the field, for one that is not on this disk.
    """
    path = Path(name)
    if (path / hf.CONFIG).is_file():
        return Checkpoint(path)
    if path.is_dir():
        raise LabError(f"{field}: {name} holds no {hf.CONFIG}; name the folder of a model")
    if path.exists():
        raise LabError(f"{field}: {name} is no folder; name the one that holds {hf.CONFIG}")
    if _HUB.fullmatch(name) and not path.parent.is_dir():
        return Checkpoint(_cached(name, field))
    beside = [p.name for p in path.parent.glob("*/")] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, 1)
    hint = f"did you mean {path.parent / near[0]}?" if near else "name one, or a hub id"
    raise LabError(f"{field}: there is no folder {name}; {hint}")


def _cached(name: str, field: str) -> Path:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, hf.CONFIG)
    if not isinstance(found, str):
        raise LabError(
            f"{field}: {name} is neither a folder nor in the hub's cache, and nothing is fetched "
            f"unasked; run `hf download {name}` first"
        )
    return Path(found).parent


def name_of(name: str) -> str:
    """What a record calls it: the hub id, or the folder's own name without those above it."""
    return name if _HUB.fullmatch(name) and not Path(name).exists() else Path(name).resolve().name


def described(name: str, field: str = "model") -> dict[str, str]:
    """What identifies it in a record: its name, and the digest of what its files hold."""
    return {"name": name_of(name), "sha256": digest(checkpoint(name, field).identity, 64)}


def tokenizer(name: str, field: str = "model") -> Tokenizer:
    """Its tokenizer alone."""
    return Tokenizer.load(checkpoint(name, field).folder)


def asked(tokenizer: Tokenizer, system: str, user: str) -> dict[str, Any]:
    """How students read and are asked, for a record: a prompt as rendered, and its digest."""
    return {
        "system": system,
        "template": "plain" if chat.is_plain(tokenizer.tokenizer) else "its own",
        **chat.read(tokenizer.asked(system_of(system), user)),
    }


def system_of(system: str) -> str | None:
    """The system prompt of an option: None is the template's default, "" none."""
    return SYSTEMS.get(system, system)
