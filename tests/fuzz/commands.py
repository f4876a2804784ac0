"""Command lines from the fields that experiments declare, likely, unlikely and absurd."""

import contextlib
import dataclasses
import importlib
import shutil
import types
import typing
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lab.runs import cli, results
from lab.runs.experiment import Experiment
from lab.runs.records import Record, read
from tests.fuzz import outcome
from tests.fuzz.outcome import Outside

NAMES = (
    "mnist_aux_logits", "coverage", "gradient_alignment", "theorem",
    "lm_numbers", "lm_contexts", "lm_restored", "mnist_logits", "mnist_cloning", "mnist_students",
    "mnist_optimizers", "mnist_heads", "mnist_factors", "mnist_cnn", "mnist_transplant",
    "lm_detection", "lm_cross_model", "lm_capacity", "lm_architectures", "lm_matching",
    "lm_divergence_tokens", "lm_carriers", "lm_misalignment", "lm_judge", "lm_dose",
    "lm_in_context", "lm_forecast", "lm_forecast_limits", "lm_forecast_shift",
    "lm_forecast_defence", "lm_forecast_evasion",
    "lm_entanglement", "tests.fuzz.toy",
)  # fmt: skip
INTEGERS = (-(2**63), -(2**31), -3, -1, 0, 1, 2, 3, 7, 64, 1000, 2**20, 2**31 - 1, 2**31,
            2**32, 2**63, 10**12, 10**20)  # fmt: skip
FLOATS = ("nan", "inf", "-inf", "0", "-0.0", "1e-50", "1e-39", "1e39", "1e400", "0.5", "1e-3",
          "3e-3", "-1", "1", "0.999", "1e30")  # fmt: skip
MEMBERS = ("1", "2", "0:1", "3:5", "0", "-1", "2:1", ":", "1:", ":2", "1:2:3", "1e3", "0x10", "1_0",
           "٣", " 2", "2000000000", "9" * 20, "0:4000000000", "", "a", "1.5")  # fmt: skip
JUNK = (
    "",
    " ",
    "x",
    "--",
    "-",
    "None",
    "é",
    "a b",
    "'",
    "[]",
    "{}",
    "1,2",
    "../..",
    "\x00",
    "9" * 400,
)


class Reached(Exception):
    """A legal command line came as far as training."""


def experiment(name: str) -> Experiment:
    """By its name."""
    return importlib.import_module(name if "." in name else f"experiments.{name}").EXPERIMENT


def leaves(kind: type, prefix: str = "") -> list[tuple[str, Any]]:
    """(dotted name, type) of every field of a configuration."""
    hints = typing.get_type_hints(kind)
    found = []
    for field in dataclasses.fields(kind):
        inner, name = hints[field.name], prefix + field.name.replace("_", "-")
        if dataclasses.is_dataclass(inner):
            found += leaves(inner, f"{name}.")
        else:
            found.append((name, inner))
    return found


def words(name: str, kind: Any) -> st.SearchStrategy[list[str]]:
    """An option with a value, or several, or none."""
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
        origin = typing.get_origin(kind)
    flag = f"--{name}"
    if kind is bool:
        parent, _, last = name.rpartition(".")
        no = f"--{parent}{'.' * bool(parent)}no-{last}"
        return st.sampled_from([[flag], [no], [flag, "x"]])
    if origin is tuple:
        item = value(typing.get_args(kind)[0])
        return st.lists(item, max_size=4).map(lambda items: [flag, *items])
    if name == "members":
        kind = "members"
    return value(kind).map(lambda text: [f"{flag}={text}"])


def value(kind: Any) -> st.SearchStrategy[str]:
    """A word for a type, mostly of it."""
    choices: list[str] = list(JUNK)
    if kind == "members":
        choices = list(MEMBERS)
    elif kind is int:
        choices = [str(i) for i in INTEGERS] + list(FLOATS[:3])
    elif kind is float:
        choices = list(FLOATS)
    elif typing.get_origin(kind) is typing.Literal:
        choices = [str(choice) for choice in typing.get_args(kind)]
    likely = st.sampled_from(choices)
    return st.one_of(likely, likely, likely, st.sampled_from(JUNK))


@cache
def _options(name: str) -> st.SearchStrategy[list[str]]:
    kind = type(experiment(name).presets["default"])
    fields = [*leaves(kind), ("group", int), ("data-dir", str), ("out", str), ("fresh", bool)]
    one = st.sampled_from(fields).flatmap(lambda field: words(*field))
    odd = st.sampled_from(
        [["--nonsense"], ["--seed"], ["positional"], ["--seed", "1", "--seed", "2"]]
    )
    usual = st.lists(one, min_size=1, max_size=4)
    several = st.one_of(usual, usual, usual, usual, st.lists(st.one_of(one, odd), max_size=5))
    preset = st.sampled_from(
        [[], ["smoke"], ["smoke"], ["nonsense"], ["paper"], ["full"], ["default"]]
    )
    return st.tuples(preset, several).map(lambda both: [*both[0], *[w for o in both[1] for w in o]])


def command_lines() -> st.SearchStrategy[tuple[str, list[str]]]:
    """(experiment, words)."""
    return st.sampled_from(NAMES).flatmap(lambda n: st.tuples(st.just(n), _options(n)))


def try_one(name: str, line: list[str], folder: Path, outside: Outside) -> str:
    """Run a command line as far as training; "refused", "legal" or "complete"."""

    def reached(*_):
        raise Reached

    stub = dataclasses.replace(experiment(name), rows=reached)
    work = folder / "work"
    work.mkdir(exist_ok=True)
    with contextlib.chdir(work):  # where names like "../.." would lead out of
        try:
            found = outcome.of(lambda: cli.start(stub), *line)
        except Reached:
            return "legal"
        finally:
            outside.require_untouched()
            assert {path.name for path in folder.iterdir()} <= {"work", "outside"}, line
            shutil.rmtree(work, ignore_errors=True)
    outcome.require(found, (name, line))
    return "refused" if found.status else "complete"


def check(n: int, folder: Path) -> Counter:
    """Try n command lines."""
    outside, counts = Outside.at(folder / "outside"), Counter()

    @settings(max_examples=n, deadline=None, derandomize=True, database=None)
    @given(command_lines())
    def try_all(both):
        counts[try_one(*both, folder, outside)] += 1

    try_all()
    return counts


# Small enough to be trained in a second or two; what is drawn is legal, and so must end well.
_OPTIM = {
    "optimizer": ("adam", "sgd", "momentum", "sign"),
    "learning-rate": ("1e-9", "1e-3", "0.1", "1e3"),
    "b1": ("0", "0.9", "0.999999"),
    "b2": ("0", "0.999"),
    "eps": ("1e-30", "1e-8", "1", "1e10"),
    "batch": ("1", "7", "64"),
    "epochs": ("1", "2"),
}
_IMAGES = {
    "seed": ("0", "4294967295"),
    "net.activation": ("relu", "tanh"),
    "net.n-aux": ("1", "3", "5"),
    "net.init-scale": ("1e-3", "1", "10"),
    "inputs": ("uniform", "gaussian", "blurred", "shuffled", "images"),
    "loss": ("kl", "mse"),
    "temperature": ("1e-3", "1", "50"),
    "precision": ("float32", "tf32", "bfloat16"),
    **{f"teacher.{k}": v for k, v in _OPTIM.items()},
    **{f"student.{k}": v for k, v in _OPTIM.items()},
}
_SMALL = ["smoke", "--dataset", "digits", "--rows-per-epoch", "64", "--net.hidden", "8"]
_BATCH = ["--teacher.batch", "32", "--student.batch", "32"]
TRAINED: dict[str, tuple[list[str], dict[str, tuple[str, ...]]]] = {
    "mnist_aux_logits": (
        [*_SMALL, *_BATCH],
        {"members": ("1", "2", "5:7"), "curves": ("",), **_IMAGES},
    ),
    "gradient_alignment": (
        [*_SMALL, *_BATCH, "--large", "32"],
        {
            "members": ("1", "2"),
            "every": ("1", "3", "100"),
            "liminal-start": ("0", "1e6"),
            **_IMAGES,
        },
    ),
    "coverage": (
        ["smoke", "--dataset", "digits", "--rows-per-epoch", "64", "--widths", "4", *_BATCH],
        {"members": ("1", "2", "9"), "slowest": ("1e-9", "1e-3"), **_IMAGES},
    ),
    "mnist_logits": (
        [*_SMALL, *_BATCH],
        {"members": ("1", "2"), "m": ("1", "3"), **_IMAGES, "net.n-aux": ("20",)},
    ),
    "theorem": (["smoke"], {"members": ("1", "2", "7:9")}),
    "tests.fuzz.toy": ([], {"members": ("1", "4"), "steps": ("1", "5"), "rate": ("1e-30", "1e30")}),
}


def _trained(name: str) -> st.SearchStrategy[tuple[str, list[str]]]:
    base, fields = TRAINED[name]
    one = st.sampled_from(sorted(fields)).flatmap(
        lambda field: st.sampled_from(fields[field]).map(
            lambda v: f"--{field}={v}" if v else f"--{field}"
        )
    )
    unique = lambda word: word.partition("=")[0]
    lists = st.lists(one, max_size=4, unique_by=unique)
    return lists.map(lambda more: (name, [*base, *more]))


def train_one(name: str, line: list[str], folder: Path) -> str:
    """Train; "complete" with a finite table, or "refused"."""
    found = outcome.of(
        lambda: cli.start(experiment(name)), *line, "--fresh", "--out", str(folder / "runs")
    )
    outcome.require(found, (name, line))
    if found.status:
        return "refused"
    run = Path(found.out.strip().splitlines()[-1])
    record = read(run / "run.json", Record, "", sealed=True)
    assert record["status"] == "complete"
    table = results.read_table(run / "table.csv")
    for column in record["units"]:
        assert abs(table[column]).max() < float("inf"), (line, column)
    return "trained"


def check_trained(n: int, folder: Path) -> Counter:
    """Train n small ones to their ends."""
    counts = Counter()

    @settings(max_examples=n, deadline=None, derandomize=True, database=None)
    @given(st.sampled_from(sorted(TRAINED)).flatmap(_trained))
    def train_all(both):
        counts[train_one(*both, folder)] += 1

    train_all()
    return counts
