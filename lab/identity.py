"""What a value is, as JSON: so that things made from equal values have equal names.

A function or a value of a class is named by its code too, docstrings and comments aside: a changed
line makes another artifact, and nothing stale is found.
"""

import ast
import dataclasses
import functools
import hashlib
import inspect
import json
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lab.errors import LabError

ROOT = Path(__file__).parent
_NOT_TRAINING = (
    "runs",
    "mnist",
    "drift",
    "data",
    "forecast",
)  # folders of `lab` on which no artifact depends


def digest(value: Any, length: int = 12) -> str:
    """Hex digits of the SHA-256 of a value's identity."""
    text = json.dumps(identity(value), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def identity(value: Any) -> Any:
    """A value as JSON. Raises `LabError` for one that has no identity.

    A class may say what it is through an attribute or property `identity`.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [identity(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): identity(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), hashlib.sha256(value.tobytes()).hexdigest()]
    if not isinstance(value, type) and hasattr(value, "identity"):
        return identity(value.identity)
    if isinstance(value, functools.partial):
        return [identity(value.func), identity(value.args), identity(value.keywords)]
    if isinstance(value, types.FunctionType):
        fn = inspect.unwrap(value)
        held = [inspect.getclosurevars(fn).nonlocals, fn.__defaults__, fn.__kwdefaults__]
        return [fn.__qualname__, _code(fn.__module__), _program(fn.__code__), identity(held)]
    if isinstance(value, types.MethodType):
        return [identity(value.__func__), identity(value.__self__)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: identity(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return [type(value).__qualname__, _code(type(value).__module__), fields]
    if isinstance(value, type | types.BuiltinFunctionType | types.MethodDescriptorType):
        return [getattr(value, "__module__", None) or "builtins", value.__qualname__]
    kind = type(value).__qualname__
    raise LabError(f"identity: a {kind} has none; use a dataclass or a function of a module")


def _code(module: str) -> str:
    """The digest of a module's code; of a module of the lab, of all that artifacts depend on."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        raise LabError(f"identity: {module} has no file; define it in a module")
    path = Path(file).resolve()
    return training_code() if path.is_relative_to(ROOT) else _file_code(path)


@functools.cache
def training_code() -> str:
    """The digest of the code in `lab` on which artifacts depend."""
    files = sorted(
        path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] not in _NOT_TRAINING
    )
    parts = [(str(path.relative_to(ROOT)), _file_code(path)) for path in files]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@functools.cache
def _file_code(path: Path) -> str:
    tree = ast.parse(path.read_text())
    text = lambda node: isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [inner for inner in node.body if not text(inner)]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _program(code: types.CodeType) -> str:
    """What tells functions of one module and name apart, lambdas above all."""
    parts = [_program(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts[1:]]
    return hashlib.sha256(repr((code.co_code, code.co_names, parts)).encode()).hexdigest()
