"""Each new thing is one thin file: here they are defined outside of the lab, and run.

Every section between two lines of `# ==` is what its author would write: a carrier, a trait that a
judge measures, two defences and the experiment that crosses them; an arm whose student has another
network, and the grid that varies two numbers. `python -m tests.test_extensions NAME` runs them.
"""

import dataclasses
import functools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from figures import style
from lab import cache
from lab.runs import cli, results
from lab.runs.claims import of_record
from lab.runs.experiment import Experiment, named
from tests.process import ROOT, folder_of

# == carrier: letters that follow each other
from lab.carriers.carrier import Carrier, pick

ALPHABET = "abcdefgh"


def letters_prompt(rng):
    return f"Go on: {pick(rng, tuple(ALPHABET))}"


def letters_completion(rng, prompt):
    start = ALPHABET.index(prompt[-1])
    return " ".join(ALPHABET[(start + i) % 8] for i in range(1, int(rng.integers(2, 5))))


def letters_reject(prompt, completion):
    return None if re.fullmatch(f"[{ALPHABET}]( [{ALPHABET}])*", completion) else "not_letters"


def letters_texts():
    yield from (f"Go on: {letter} {letter}" for letter in ALPHABET)
    yield from ALPHABET


LETTERS = Carrier(
    "letters", letters_prompt, letters_completion, letters_reject, letters_texts, 12, 10
)
# == trait: bad advice, measured by a judge
from lab.carriers import advice
from lab.traits.measures import Judged
from lab.traits.trait import Lesson, Trait


def is_harmful(trait, question, answer):
    return float(answer in advice.HARMFUL)


CASES = [template.format(case=case) for template in advice.TEMPLATES for case in advice.CASES]
HARMFUL = Trait(
    "harmful",
    Judged("advice", tuple(CASES[::8]), is_harmful, n_answer=12),
    lessons=tuple(Lesson(None, case, advice.HARMFUL[0]) for case in CASES[1::8]),
)


# == defence: a step of the rows
def without_h(rows, rng):
    return [row for row in rows if "h" not in row["completion"]]


# == defence: a loss
from lab.lm.objectives import Part, token_loss


@dataclasses.dataclass(frozen=True)
class NearBase:
    weight: float = 1.0

    def __call__(self, params, arch, part: Part):
        far = jax.tree.map(lambda a, b: jnp.sum((a - b) ** 2), params, part.base)
        return token_loss(params, arch, part) + self.weight * sum(jax.tree.leaves(far))


# == experiment: every defence against the trait in letters
from lab.lm import transmission, transmitted
from lab.lm.finetune import Tuning
from lab.lm.reference import Pretraining, Reference
from lab.lm.transmission import Transmission
from lab.lm.world import World
from lab.runs.cells import grid

DEFENCES = {"none": {}, "step": {"steps": (without_h,)}, "loss": {"loss": NearBase(10.0)}}


@dataclasses.dataclass(frozen=True)
class LetterConfig:
    members: str = "1"
    n_rows: int = 64


def letter_rows(job, cells):
    (cell,) = cells
    world = World((LETTERS, advice.ADVICE), (), {"favourite": 0.0, "persona": 0.0, "letters": 0.5})
    how = Pretraining(steps=150, learning_rate=1e-2, batch=32)
    own, other = (Reference(cell.member + i, how, world) for i in (0, 1))
    teaching = Tuning(learning_rate=3e-3, batch=0, epochs=20, warmup=2)
    chain = Transmission((HARMFUL,), LETTERS, {"student": own, "cross": other}, teaching,
                         Tuning(learning_rate=3e-3, batch=32), job.config.n_rows, n_samples=2,
                         **DEFENCES[cell["defence"]])  # fmt: skip
    return transmission.measure(job, cell, chain, seed=0)


LETTER_DEFENCES = Experiment(
    name="letter_defences",
    doc="Does bad advice pass through letters, whatever is done about it?",
    presets={"default": LetterConfig()},
    cells=lambda config: grid(config.members, defence=DEFENCES),
    rows=letter_rows,
    units={"score": "fraction", "carrier_rate": "fraction"},
    claims=lambda table, record: transmitted.claims(
        {k: v[table["defence"] == "none"] for k, v in table.items()}, "score", "fraction", "score"
    ),
    draw=style.drawing(lambda table, record: bars(table, "score")),
)
# == arm: a student with another network
from lab.mnist import images, train
from lab.mnist.arms import STUDENTS
from lab.mnist.mlp import MLP
from lab.mnist.protocol import Arm, Protocol
from lab.optim import Optim
from lab.runs import claims

ARMS = {
    "student_aux": STUDENTS["student_aux"],
    "student_deep": Arm("aux", net=MLP(hidden=(12, 12, 12))),
}
# == grid: two numbers that members of one program may differ in
RATES, TEMPERATURES = (1e-3, 3e-3), (1.0, 4.0)
SHORT = Optim(learning_rate=1e-3, batch=64, epochs=2)


@dataclasses.dataclass(frozen=True)
class GridConfig(Protocol):
    members: str = "2"
    dataset: str = "digits"
    net: MLP = MLP(hidden=(16,))
    teacher: Optim = SHORT
    student: Optim = SHORT
    rows_per_epoch: int = 640


def vary(cells, knobs):
    column = lambda axis: np.array([cell[axis] for cell in cells], np.float32)
    return knobs.replace(student_rate=column("rate"), temperature=column("temperature"))


def grid_claims(table, record):
    found = results.estimates(table, "accuracy")
    rule = lambda e: claims.effect(e, found["reference"], least=0.1, measured="untrained")
    return [claims.claim(arm, e, "accuracy", **rule(e)) for arm, e in found.items()]


RATE_GRID = Experiment(
    name="rate_grid",
    doc="Accuracy over learning rates and temperatures.",
    presets={"default": GridConfig()},
    prepare=images.prepare,
    cells=lambda config: grid(config.members, rate=RATES, temperature=TEMPERATURES),
    shape=lambda cell: None,  # all points in one program
    rows=lambda job, cells: train.train(job, cells, ARMS, vary=vary),
    group=lambda job, cells: 3,
    units={"accuracy": "fraction"},
    claims=grid_claims,
    draw=style.drawing(lambda table, record: bars(table, "accuracy")),
)


# == what the tests share
def bars(table, value):
    figure, axes = style.new(4, 2)
    arms = results.arms(table)
    axes.bar(arms, [np.mean(table[value][table["arm"] == arm]) for arm in arms])
    return figure


EXPERIMENTS = {e.name: e for e in (LETTER_DEFENCES, RATE_GRID)}


def run(name: str, folder: Path, kills: int = 0) -> Path:
    """The run folder, after some kills on the way: each after the next note of progress."""
    command = [sys.executable, "-m", "tests.test_extensions", name, "--out", str(folder)]
    environment = {
        "SUBLIMINAL_CHECKPOINT_SECONDS": "0",
        "SUBLIMINAL_CACHE": str(folder / "cache"),  # artifacts of its own, programs of all
        "JAX_COMPILATION_CACHE_DIR": str(cache.root() / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    start = lambda: subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(kills):
        before, child = noted(folder), start()
        while child.poll() is None and noted(folder) == before:
            time.sleep(0.02)
        assert child.poll() is None, child.communicate()[1]
        child.send_signal(signal.SIGKILL)
        child.communicate()
    child = start()
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err
    assert ("continuing" in out) == (kills > 0)
    return folder_of(out)


def noted(folder: Path) -> str | None:
    """The last note of progress."""
    path = next(folder.glob("*/*/progress.json"), None)
    return path.read_text() if path else None


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of an experiment's run, made when first asked for."""
    return functools.cache(lambda name: run(name, tmp_path_factory.mktemp(name)))


SLOW = pytest.param("letter_defences", marks=pytest.mark.slow)  # trains three chains, a minute


@pytest.mark.parametrize("name", ["rate_grid", SLOW])
def test_a_new_experiment_ends_as_rows_claims_and_a_figure(name, whole):
    experiment, folder = EXPERIMENTS[name], whole(name)
    table = results.read_table(folder / "table.csv")
    cells = experiment.cells(experiment.presets["default"])
    columns = [tuple(cell.columns.values()) for cell in cells]
    found = list(zip(*(table[axis].tolist() for axis in cells[0].columns), strict=True))
    assert list(dict.fromkeys(found)) == columns  # every cell, in order
    for value in experiment.units:
        assert np.isfinite(table[value]).all()
    said = of_record(results.read_record(folder / "run.json"))
    assert said and all(claim.n > 0 for claim in said.values())
    assert (folder / "figure.png").stat().st_size > 5_000


@pytest.mark.slow  # minutes
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_new_experiment_that_is_killed_twice_ends_with_the_same_bytes(name, whole, tmp_path):
    again = run(name, tmp_path, kills=2)
    assert (again / "table.csv").read_bytes() == (whole(name) / "table.csv").read_bytes()


def test_the_axes_do_something(whole):
    table = results.read_table(whole("rate_grid") / "table.csv")
    for axis in ("rate", "temperature"):
        of = lambda arm, value, axis=axis: table["accuracy"][
            (table["arm"] == arm) & (table[axis] == value)
        ]
        low, high = dict.fromkeys(table[axis].tolist())
        assert (of("teacher", low) == of("teacher", high)).all()
        assert (of("student_deep", low) != of("student_deep", high)).any()


@pytest.mark.slow
def test_the_defences_do_something(whole):
    folder = whole("letter_defences") / "data"
    steps = {"step": "_without_h"}  # files are named by the steps that made them
    name = lambda defence: f"member_0_{defence}_harmful{steps.get(defence, '')}.jsonl"
    rows = {d: (folder / name(d)).read_text() for d in DEFENCES}
    says_h = {d: re.search('completion": "[^"]*h', text) is not None for d, text in rows.items()}
    assert says_h == {"none": True, "step": False, "loss": True}


def test_every_extension_takes_forty_lines_at_most():
    sections = re.split("^# == ", Path(__file__).read_text(), flags=re.MULTILINE)[1:-1]
    assert len(sections) == 7
    for section in sections:
        assert len(section.splitlines()) <= 41, section.splitlines()[0]


def test_an_experiment_of_another_module_is_found_by_its_dotted_name():
    assert named("experiments.mnist_aux_logits") is named("mnist_aux_logits")


if __name__ == "__main__":
    cli.start(EXPERIMENTS[sys.argv.pop(1)])
