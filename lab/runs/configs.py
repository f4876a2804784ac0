"""Configurations as JSON and back, what of them differs from the defaults, and the hash of a run.

A configuration is a tree of frozen dataclasses whose leaves are numbers, words, and tuples of them.
"""

import dataclasses
import hashlib
import json
import shlex
from collections.abc import Mapping
from typing import Any, get_type_hints

from lab.errors import LabError
from lab.runs import records

# Fields that name data or models where they are: a record holds what these were, in `dataset`.
RESOLVED = ("dataset", "model", "other", "rows")
_REMEDY = "the record is of another version, or was changed: make it again"


def resolved(config) -> tuple[str, ...]:
    """The fields of a configuration that name data or models: those above, and its own."""
    return (*RESOLVED, *getattr(config, "RESOLVED", ()))


def as_json(config) -> dict:
    """A configuration without data and models: a record holds the resolved ones instead."""
    values = json.loads(json.dumps(dataclasses.asdict(config)))
    return {name: value for name, value in values.items() if name not in resolved(config)}


def from_json(default, values: Mapping[str, Any], prefix: str = ""):
    """`default` with the values that a record holds; what it does not hold keeps its default.

    Raises `LabError`, which names the field, for one that the configuration has not, or that is of
    another type; those of the configuration itself for values that it refuses.
    """
    kinds = get_type_hints(type(default))
    fields = [field.name for field in dataclasses.fields(default)]
    if unknown := [name for name in values if name not in fields]:
        raise LabError(f"config: {prefix}{unknown[0][:80]} is no field of it; {_REMEDY}")
    changed = {}
    for name, value in values.items():
        now = getattr(default, name)
        if dataclasses.is_dataclass(now) and isinstance(value, Mapping):
            changed[name] = from_json(now, value, f"{prefix}{name}.")
        else:
            records.require(value, kinds[name], f"config: {prefix}{name}", _REMEDY)
            changed[name] = tuple(value) if isinstance(now, tuple) else value
    try:
        return dataclasses.replace(default, **changed)
    except LabError as error:  # which names the field alone
        raise LabError(f"{prefix}{error}") from error


def differences(config, default) -> dict[str, Any]:
    """The leaves in which two configurations differ, by dotted name, JSON-ready."""
    ours, theirs = leaves(as_json(config)), leaves(as_json(default))
    return {name: value for name, value in ours.items() if value != theirs.get(name)}


def overrides(config) -> dict[str, Any]:
    """The leaves of a configuration that differ from its defaults.

    Only these enter the hash, so that a new field with a default makes no earlier run stale.
    """
    return differences(config, type(config)())


def config_hash(experiment: str, config, dataset: dict) -> str:
    """Eight hex digits that name a run."""
    text = json.dumps([experiment, overrides(config), dataset], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def changes(config, preset) -> dict[str, Any]:
    """What a command line has to change of a preset: data and models too, which no record holds."""
    found = differences(config, preset)
    for name in resolved(config):
        if getattr(config, name, None) != getattr(preset, name, None):
            found[name] = getattr(config, name)
    return found


def command(experiment: str, presets: Mapping[str, Any], config) -> str:
    """The command line of a configuration, from the preset that it differs from least."""
    by_preset = {name: changes(config, preset) for name, preset in presets.items()}
    preset = min(by_preset, key=lambda name: len(by_preset[name]))
    words = ["python", "-m", f"experiments.{experiment}"]
    words += [preset] if preset != "default" else []
    for name, value in by_preset[preset].items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            parent, _, last = option.rpartition(".")
            words.append(f"--{parent}{'.' * bool(parent)}{'' if value else 'no-'}{last}")
        else:
            words += [f"--{option}", *map(str, value if isinstance(value, list) else [value])]
    return shlex.join(words)


def leaves(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of nested dicts by dotted name."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= leaves(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found
