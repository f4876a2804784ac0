"""Configurations: what enters the hash, what a record gives back, and the command it is told by."""

import re
import shlex
from dataclasses import dataclass, replace

import pytest

from experiments import (
    coverage,
    gradient_alignment,
    mnist_aux_logits,
    mnist_cloning,
    mnist_cnn,
    mnist_factors,
    mnist_heads,
    mnist_logits,
    mnist_optimizers,
    mnist_students,
    mnist_transplant,
    theorem,
)
from lab.errors import LabError
from lab.mnist.mlp import MLP
from lab.runs import cli, configs

DATASET = {"name": "digits", "sha256": "0"}


@dataclass(frozen=True)
class Part:
    widths: tuple[int, ...] = (4,)
    deep: bool = False


@dataclass(frozen=True)
class Config:
    seed: int = 0
    part: Part = Part()
    dataset: str = "auto"


def test_only_what_differs_from_the_defaults_enters_the_hash():
    assert configs.overrides(Config()) == {}
    assert configs.overrides(Config(part=Part((4, 4)))) == {"part.widths": [4, 4]}
    hashes = {configs.config_hash("x", Config(s), DATASET) for s in (0, 1)}
    hashes |= {configs.config_hash("x", Config(part=Part(deep=True)), DATASET)}
    assert len(hashes | {configs.config_hash("x", Config(), {**DATASET, "name": "mnist"})}) == 4

    @dataclass(frozen=True)
    class LaterPart(Part):
        new: int = 7

    @dataclass(frozen=True)
    class Later(Config):
        part: Part = LaterPart()
        other: int = 7

    assert configs.config_hash("x", Later(), DATASET) == configs.config_hash("x", Config(), DATASET)


def test_the_dataset_that_was_asked_for_is_no_part_of_a_configuration():
    assert "dataset" not in configs.as_json(Config(dataset="mnist"))


def test_a_configuration_survives_its_record():
    config = Config(seed=3, part=Part((8, 2), deep=True))
    assert configs.from_json(Config(), configs.as_json(config)) == config
    # What a record of an earlier version lacks keeps its default.
    assert configs.from_json(Config(), {"part": {"widths": [8, 2]}}) == Config(part=Part((8, 2)))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"gone": 1}, "gone"),
        ({"part": {"dropped": 1}}, "part.dropped"),
        ({"part": {"deep": 1}}, "part.deep"),
        ({"part": {"widths": [8, "x"]}}, "part.widths"),
        ({"part": {"widths": None}}, "part.widths"),
        ({"part": []}, "part"),
        ({"seed": "0"}, "seed"),
        ({"seed": 0.5}, "seed"),
        ({"seed": True}, "seed"),
        ({"dataset": {}}, "dataset"),
    ],
)
def test_a_record_of_other_fields_or_types_is_no_configuration(values, field):
    with pytest.raises(LabError, match=f"config: {re.escape(field)} is .*make it again"):
        configs.from_json(Config(), values)


@pytest.mark.parametrize("name", ["default", "smoke", "paper"])
@pytest.mark.parametrize(
    "module",
    [mnist_aux_logits, coverage, gradient_alignment, theorem, mnist_logits, mnist_cloning,
     mnist_students, mnist_optimizers, mnist_heads, mnist_factors, mnist_cnn,
     mnist_transplant],
)  # fmt: skip
def test_the_command_of_a_preset_is_its_name(module, name):
    words = configs.command(module.EXPERIMENT.name, module.PRESETS, module.PRESETS[name])
    expected = f"python -m experiments.{module.EXPERIMENT.name} {name}"
    assert words == expected.removesuffix(" default")


SMOKE = mnist_aux_logits.PRESETS["smoke"]
CHANGED = {
    "of nothing but members": replace(SMOKE, members="2:5"),
    "of layers": replace(SMOKE, net=MLP(hidden=(8, 16, 8), activation="gelu")),
    "of a teacher": replace(SMOKE, teacher=replace(SMOKE.teacher, optimizer="sgd", epochs=0)),
    "of a student": replace(SMOKE, student=replace(SMOKE.student, learning_rate=3e-7, b1=0.0)),
    "of switches": replace(SMOKE, curves=True, fresh_inputs=True),
    "of a dataset": replace(SMOKE, dataset="digits", temperature=2.5),
    "near another preset": replace(mnist_aux_logits.PRESETS["paper"], seed=1),
}


@pytest.mark.parametrize("name", CHANGED)
def test_the_command_of_a_configuration_gives_it_back(name):
    experiment = mnist_aux_logits.EXPERIMENT
    words = shlex.split(configs.command(experiment.name, experiment.presets, CHANGED[name]))
    assert words[:3] == ["python", "-m", "experiments.mnist_aux_logits"]
    assert cli.parse(experiment, words[3:])[0] == CHANGED[name]


def test_the_command_turns_a_switch_of_a_preset_off():
    presets = {"default": SMOKE, "long": replace(SMOKE, curves=True, seed=1, members="9")}
    config = replace(presets["long"], curves=False)
    experiment = replace(mnist_aux_logits.EXPERIMENT, presets=presets)
    words = shlex.split(configs.command("mnist_aux_logits", presets, config))
    assert "--no-curves" in words
    assert cli.parse(experiment, words[3:])[0] == config
