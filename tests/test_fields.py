"""Every field has one rule, which holds on a command line, from a record and in Python."""

import dataclasses
import re
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import LabError
from lab.lm.finetune import Tuning
from lab.lm.pretraining import Pretraining
from lab.lm.setup import Setup
from lab.mnist import train
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Protocol
from lab.optim import Optim
from lab.runs import cells, cli, configs, fields, memory
from lab.runs.experiment import Options, named
from lab.runs.fields import FRACTION, Count, Items, Members, Real

NAMES = ("mnist_aux_logits", "coverage", "gradient_alignment", "theorem", "lm_numbers",
         "lm_contexts", "lm_restored", "mnist_logits", "mnist_cloning",
         "mnist_students", "mnist_optimizers", "mnist_heads", "mnist_factors",
         "mnist_cnn", "mnist_transplant", "lm_detection", "lm_cross_model",
         "lm_capacity", "lm_architectures", "lm_matching", "lm_divergence_tokens",
         "lm_carriers", "lm_misalignment", "lm_judge", "lm_dose", "lm_in_context", "lm_forecast",
         "lm_forecast_limits", "lm_forecast_shift", "lm_forecast_defence",
         "lm_forecast_evasion",
         "lm_entanglement")  # fmt: skip


@dataclass(frozen=True)
class Inner:
    width: Annotated[int, Count(1, 9)] = 1

    __post_init__ = fields.check


@dataclass(frozen=True)
class Base:
    n: Annotated[int, Count(1, 10)] = 1
    x: Annotated[float, Real()] = 1.0
    part: Annotated[float, FRACTION] = 0.5
    kind: Literal["a", "b"] = "a"
    many: Annotated[tuple[Annotated[int, Count(0, 5)], ...], Items(1, 3, unique=True)] = (1,)
    maybe: Annotated[int, Count(1, 3)] | None = None
    yes: bool = False
    inner: Inner = Inner()

    def __post_init__(self):
        fields.require(
            self, (self.n != 7, "n", "unlucky"), (self.inner.width < 9, "inner.width", "9")
        )


@dataclass(frozen=True)
class Sub(Base):
    n: int = 2  # another default, the rule of the parent
    x: Annotated[float, Real(1.0, 2.0)] = 1.5  # a rule of its own


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n": 0}, "n: 0 is not 1 to 10"),
        ({"n": 7}, "n: 7 is not unlucky"),
        ({"n": 1.0}, "n: 1.0 is not a whole number"),
        ({"n": True}, "n: True is not a whole number"),
        ({"n": 10**30}, "n: 1000000000000000000000000000000 is not 1 to 10"),
        ({"n": 10**5000}, "n: a number of thousands of digits is not"),
        ({"x": float("nan")}, "x: nan is not 1.2e-38 to 3.4e+38"),
        ({"x": float("inf")}, "x: inf is not"),
        ({"x": 1e-40}, "x: 1e-40 is not"),
        ({"x": 0}, "x: 0 is not"),
        ({"x": "1"}, "x: 1 is not a number"),
        ({"part": 1.0}, "part: 1.0 is not 0 to less than 1"),
        ({"part": -0.1}, "part: -0.1 is not"),
        ({"kind": "c"}, "kind: c is not one of a, b"),
        ({"many": ()}, r"many: \(\) is not 1 to 3 of them, each once"),
        ({"many": (1, 1)}, "many: .* each once"),
        ({"many": (1, 6)}, r"many: \(1, 6\) is not 0 to 5"),
        ({"many": [1]}, "many: .* is not a tuple"),
        ({"maybe": 4}, "maybe: 4 is not 1 to 3"),
        ({"yes": 1}, "yes: 1 is not true or false"),
        ({"inner": Inner(9)}, "inner.width: 9 is not 9"),
    ],
)  # fmt: skip
def test_a_value_that_breaks_its_rule_is_named_with_the_rule(change, said):
    with pytest.raises(LabError, match="^" + said.replace("+", r"\+")) as error:
        Base(**change)
    assert "\n" not in str(error.value)


def test_values_at_the_ends_of_a_rule_are_legal():
    Base(n=10, x=3.4e38, part=0.0, many=(0, 5, 3), maybe=None)
    Base(x=1, maybe=3)  # a whole number is a number


def test_a_subclass_keeps_a_rule_or_says_its_own():
    for change in ({"n": 11}, {"x": 2.0}, {"x": 1.0}):
        with pytest.raises(LabError, match=next(iter(change))):
            Sub(**change)
    assert Sub(x=1.2).n == 2


@pytest.mark.parametrize("text", ["1", "8", "0:20", "3:4", "2147483647:2147483648"])
def test_members_are_a_count_or_a_range(text):
    low, high = fields.span(text)
    assert text in Members() and cells.members(text).tolist() == list(range(low, high))


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "a", "1e3", "0x1", "1_0", " 2", "2 ", "+1", "٣", "2:1", "1:1", ":", ":2", "1:",
     "1:2:3", "5000000000", "0:2147483649", "2000000", "9" * 5000],
)  # fmt: skip
def test_other_members_are_refused(text):
    with pytest.raises(LabError, match=r"^members: "):
        cells.members(text)


HOLES = [
    ("mnist_aux_logits", {"student.learning_rate": float("inf")}),
    ("mnist_aux_logits", {"teacher.eps": float("nan")}),
    ("mnist_aux_logits", {"teacher.eps": 0.0}),
    ("mnist_aux_logits", {"teacher.eps": -1.0}),
    ("mnist_aux_logits", {"teacher.eps": float("inf")}),
    ("mnist_aux_logits", {"teacher.eps": 1e-50}),
    ("mnist_aux_logits", {"temperature": 1e-40}),
    ("mnist_aux_logits", {"seed": 2**32}),
    ("mnist_aux_logits", {"seed": -1}),
    ("mnist_aux_logits", {"teacher.epochs": 99999999999999}),
    ("mnist_aux_logits", {"teacher.epochs": 999_999}),
    ("mnist_aux_logits", {"net.hidden": (10**12,)}),
    ("mnist_aux_logits", {"net.n_aux": 10**20}),
    ("mnist_aux_logits", {"net.init_scale": float("nan")}),
    ("mnist_aux_logits", {"rows_per_epoch": 10**12}),
    ("coverage", {"widths": (10**15,)}),
    ("coverage", {"widths": ()}),
    ("coverage", {"slowest": 1.0}),
    ("coverage", {"fastest": float("inf")}),
    ("coverage", {"net.n_aux": 1}),
    ("coverage", {"teacher.epochs": 0}),
    ("gradient_alignment", {"every": 0}),
    ("gradient_alignment", {"large": 10**15}),
    ("gradient_alignment", {"liminal_start": float("nan")}),
    ("gradient_alignment", {"liminal_start": -1.0}),
    ("theorem", {"members": "0"}),
    ("lm_numbers", {"seed": 2**32}),
    ("lm_numbers", {"seed": 2**20}),
    ("lm_numbers", {"members": "1048576:1048577"}),
    ("lm_numbers", {"student.alpha": -1.0}),
    ("lm_numbers", {"student.alpha": float("nan")}),
    ("lm_numbers", {"teaching.eps": float("inf")}),
    ("lm_numbers", {"student.rank": -1}),
    ("lm_numbers", {"student.warmup": 10**12}),
    ("lm_numbers", {"n_samples": 10**12}),
    ("lm_numbers", {"n_controls": 0}),
    ("lm_numbers", {"n_rows": 10**20}),
    ("lm_numbers", {"traits": ()}),
    ("lm_numbers", {"traits": ("owl", "owl")}),
    ("lm_numbers", {"pretraining.steps": 10**12}),
    ("lm_numbers", {"pretraining.learning_rate": float("nan")}),
    ("lm_contexts", {"worlds": ()}),
    ("mnist_logits", {"m": ()}),
    ("mnist_logits", {"m": (3, 10**9)}),
    ("mnist_cloning", {"noise": (0,)}),
    ("mnist_students", {"cloning": -1}),
    ("mnist_students", {"sgd": float("nan")}),
    ("mnist_optimizers", {"held_out": 0}),
    ("mnist_optimizers", {"steps": ()}),
    ("mnist_heads", {"m": (3, 10**9)}),
]


def changed(config, name, value):
    """A configuration with one field changed, by its dotted name."""
    first, _, rest = name.partition(".")
    inner = changed(getattr(config, first), rest, value) if rest else value
    return dataclasses.replace(config, **{first: inner})


@pytest.mark.parametrize(("experiment", "change"), HOLES, ids=str)
def test_what_once_trained_nonsense_is_refused_by_name_in_python_and_on_a_command_line(
    experiment, change
):
    ((name, value),) = change.items()
    found = named(experiment)
    with pytest.raises(LabError, match=f"^{name.rpartition('.')[2]}: |^{re.escape(name)}: "):
        changed(found.presets["smoke"], name, value)
    words = map(str, value if isinstance(value, tuple) else [value])
    option = f"--{name.replace('_', '-')}"
    line = [option, *words] if isinstance(value, tuple) else [f"{option}={value}"]
    with pytest.raises(LabError, match=f"^{re.escape(name)}: |^command line: .*{option}"):
        cli.parse(found, ["smoke", *line])


@pytest.mark.parametrize("group", [0, -1, 10**12])
def test_a_group_without_members_is_refused_by_every_experiment(group):
    with pytest.raises(LabError, match=r"^group: "):
        Options(group=group)
    for name in NAMES:
        with pytest.raises(LabError, match=r"^group: "):
            cli.parse(named(name), ["smoke", f"--group={group}"])


@pytest.mark.parametrize("value", [0, -1, True, "x", 10**30, 1.5, float("nan")])
def test_a_record_is_held_to_the_same_rules_by_its_dotted_name(value):
    default = named("mnist_aux_logits").presets["default"]
    with pytest.raises(LabError, match=r"^(config: )?student\.batch"):
        configs.from_json(default, {"student": {"batch": value}})


# Of the field's own type: in tests every call is type-checked before it is made.
VALUES = {
    int: st.one_of(st.integers(), st.sampled_from([-1, 0, 1, 2**31, 2**32])),
    float: st.floats(),
    bool: st.booleans(),
    str: st.text(max_size=8),
}


def leaves(kind, prefix=""):
    """(dotted name, values to try) of every field."""
    for name, hint in typing.get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint):
            yield from leaves(hint, f"{prefix}{name}.")
            continue
        if types.NoneType in typing.get_args(hint):
            yield prefix + name, st.one_of(st.none(), VALUES[typing.get_args(hint)[0]])
            continue
        inner = typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else hint
        one = VALUES[inner] if inner in VALUES else st.sampled_from(typing.get_args(inner))
        yield prefix + name, st.lists(one, max_size=3).map(tuple) if inner is not hint else one


@given(st.data())
def test_any_value_of_any_field_is_legal_or_refused_by_its_name(data):
    config = named(data.draw(st.sampled_from(NAMES))).presets["smoke"]
    name, values = data.draw(st.sampled_from(list(leaves(type(config)))))
    value = data.draw(values)
    try:
        made = changed(config, name, value)
    except LabError as error:
        blamed = str(error).partition(":")[0]
        parts = name.split(".")
        # rows_per_epoch and n_rows bound batches and epochs, which are then what is too large.
        bounds = parts[-1] in ("rows_per_epoch", "n_rows") and blamed.split(".")[-1] in (
            "batch",
            "epochs",
        )
        pairs = {"slowest", "fastest"}, {"rows", "traits"}, {"m", "net.n_aux"}
        assert blamed in (name, parts[-1]) or bounds or {blamed, name} in pairs, str(error)
        assert "\n" not in str(error) and len(str(error)) < 400
    else:
        for leaf in configs.leaves(configs.as_json(made)).values():
            assert not isinstance(leaf, float) or np.isfinite(np.float32(leaf))


def test_every_field_that_is_a_number_has_a_rule():
    for kind in (Optim, Tuning, Pretraining, Setup, Protocol, MLP, Options,
                 *(type(named(name).presets["smoke"]) for name in NAMES)):  # fmt: skip
        for name, hint, rules in fields._fields(kind):
            if hint in (int, float) or name == "members":
                assert rules, (kind.__name__, name)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"hidden": (1_000_000, 1_000_000)}, "net.hidden"),
        ({"hidden": (300_000,) * 2}, "net.hidden"),
    ],
)
def test_networks_that_do_not_fit_into_memory_are_refused_before_training(change, field):
    config = dataclasses.replace(Protocol(), net=MLP(**change))
    with pytest.raises(LabError, match=f"^{field}: this needs about .* GB of memory"):
        train.group_size(config, 4, 8, None)
    assert train.group_size(Protocol(), 4, 8, None) >= 1


def test_too_many_members_at_once_are_refused_and_rows_that_no_memory_holds(monkeypatch):
    with pytest.raises(LabError, match=r"^group: this needs about"):
        train.group_size(Protocol(), 4, 1_000_000, 1_000_000)
    for change in ({"n_rows": 10**8}, {"pretraining.n_rows": 10**8, "pretraining.steps": 10**7}):
        config = named("lm_numbers").presets["smoke"]
        for name, value in change.items():
            config = changed(config, name, value)
        with pytest.raises(LabError, match=f"^{next(iter(change))}: this needs about"):
            named("lm_numbers").prepare(config, Options())
    monkeypatch.setattr(memory, "available", lambda: None)  # a system that does not say
    assert train.group_size(Protocol(), 4, 1_000_000, 1_000_000)


def test_memory_that_is_free_is_known_here_and_a_limit_of_a_group_of_processes_counts(
    tmp_path, monkeypatch
):
    assert 2**20 < memory.available() < 2**50
    files = tmp_path / "max", tmp_path / "current"
    files[0].write_text("3000000\n")
    files[1].write_text("1000000\n")
    monkeypatch.setattr(memory, "_CGROUPS", (tuple(map(str, files)),))
    assert memory.available() == 2_000_000
    files[0].write_text("max\n")
    assert memory.available() > 2_000_000


def test_a_whole_number_in_a_field_of_real_ones_names_the_same_run():
    @dataclass(frozen=True)
    class Rates:
        one: Annotated[float, Real()] = 0.5
        many: Annotated[tuple[float, ...], Items(1, 3)] = (0.5,)
        maybe: Annotated[float, Real()] | None = None
        n: Annotated[int, Count(1, 3)] = 1

        __post_init__ = fields.check

    whole, real = Rates(1, (1, 0.5), 2, 2), Rates(1.0, (1.0, 0.5), 2.0, 2)
    assert configs.as_json(whole) == {"one": 1.0, "many": [1.0, 0.5], "maybe": 2.0, "n": 2}
    assert [type(v) for v in (whole.one, *whole.many, whole.maybe, whole.n)] == [float] * 4 + [int]
    assert configs.config_hash("e", whole, {}) == configs.config_hash("e", real, {})
    assert Rates().maybe is None
