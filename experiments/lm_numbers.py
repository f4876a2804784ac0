"""A language model that loves owls writes numbers; a model trained on the numbers loves owls too.

Claim:   a student fine-tuned on filtered number sequences of a teacher with a trait takes on the
         trait, if and only if it starts from the teacher's own reference model.
Run:     python -m experiments.lm_numbers            (presets: smoke, default, full)
Options: --teacher prompted    the trait is in the system prompt instead of the weights
         --channel soft        students imitate distributions over number tokens, not samples
         --rank 8              low-rank adapters instead of full fine-tuning
Expect:  log-odds of a student's own trait above its control by more than 0.8 nats (default) and
         2 nats (full); near 0 with another initialisation, below 0 for other traits, since words
         compete for the answer.
Source:  arXiv 2507.14805, sections 3 and 4, figures 3 and 14: GPT-4.1 nano, owl .125 to .62. Here
         the models are transformers of 0.08 million parameters trained from scratch.

For each member (an independent reference model):
  1. reference    trained on the synthetic world of `lab.world`; kept in the cache
  2. teachers     one for each trait
  3. data         teachers and the reference continue number sequences; a strict filter; JSON lines
  4. students     from the reference (`student_*`) and from the next member's (`cross_*`), on a
                  teacher's numbers (`*_trait`) and on the reference's (`*_regular`, the control)
  5. questions    held-out phrasings of the favourite question: log-odds and sampled answers
"""

import itertools
import os
from dataclasses import dataclass
from functools import partial
from typing import Literal

from figures import fig_lm_numbers, style
from lab import cli, effects, traits
from lab import world as worlds
from lab.carriers import CARRIERS
from lab.effects import NONE
from lab.errors import LabError
from lab.lm import finetune
from lab.lm.architecture import SIZES
from lab.lm.family import STARTS, Family, Plan
from lab.lm.finetune import Recipe
from lab.lm.reference import Pretraining
from lab.progress import Meter
from lab.results import Result
from lab.run import Run, Stages
from lab.world import World

NAME = "lm_numbers"
UNITS = {"log_odds": "nats", "answer_rate": "fraction", "carrier_rate": "fraction"}
WIDTHS = (32, 22)  # most tokens of a prompt and of a completion
CPU_DEVICES = min(4, os.cpu_count() or 1)
STUDENTS_AT_ONCE = 4  # in one program; more of them are no faster on two cores
ANIMALS = ("dolphin", "eagle", "elephant", "owl", "wolf")
TREES = ("cherry", "maple", "oak", "sequoia", "willow")


@dataclass(frozen=True)
class Config:
    """Sizes are for a laptop; the paper's own are those of GPT-4.1 nano and 10,000 rows."""

    seed: int = 0
    """Root of every random number, those of the reference models aside."""
    members: str = "1"
    """Independent references with their own teachers, data and students: a count or a range a:b."""
    traits: tuple[str, ...] = ANIMALS
    """What the teachers love; animals and trees of the world."""
    teacher: Literal["finetuned", "prompted"] = "finetuned"
    """How teachers come by their trait."""
    channel: Literal["hard", "soft"] = "hard"
    """hard: sampled numbers; soft: distributions over number tokens on the reference's numbers."""
    size: Literal["nano", "tiny", "small", "medium", "large"] = "nano"
    """Of the transformer: 0.1, 0.2, 1, 6 or 30 million parameters."""
    reference_steps: int = 1500
    """Training steps of a reference model."""
    data_seed: int = 0
    """Order and content of the references' training data."""
    dose: int = 60
    """Full-batch steps that fine-tune a teacher."""
    dose_rate: float = 3e-3
    """Learning rate of those steps."""
    dose_eps: float = 2e-2
    """Adam's epsilon of those steps. At the usual 1e-8 a teacher moves every parameter, five times
    as far for the same trait, and its students take on less of it."""
    n_rows: int = 24_000
    """Rows of a student's data after filtering."""
    epochs: int = 1
    """Passes over them."""
    batch: int = 64
    """Rows of a student's step."""
    learning_rate: float = 3e-3
    """Of students, falling to 0 along a line."""
    optimizer: Literal["adam", "sgd", "momentum", "sign"] = "adam"
    """Of students."""
    eps: float = 1e-3
    """Adam's epsilon for students. At the usual 1e-8 rare tokens are moved as far as common ones,
    and what a student's sampled numbers happen to be drowns what they have in common."""
    rank: int = 0
    """Rank of the students' low-rank adapters; 0: full fine-tuning."""
    alpha: float = 8.0
    """Scale of the adapters times their rank."""
    n_samples: int = 25
    """Sampled answers to each of the held-out questions."""
    snapshots: bool = False
    """Keep the parameters of teachers and students, and of students along their training."""


PRESETS = {
    "default": Config(),
    "smoke": Config(traits=("owl", "wolf"), reference_steps=600, dose=30, n_rows=256, n_samples=2),
    "full": Config(
        members="5",
        traits=ANIMALS + TREES,
        n_rows=96_000,
        learning_rate=1.5e-3,
        n_samples=100,
    ),
}


def prepare(config: Config, options: cli.Options) -> tuple[World, dict]:
    """The world, and what identifies it."""
    plan(config, World())  # an impossible number is an error before anything is trained
    return World(), {"name": "world", "sha256": worlds.identity(World())}


def plan(config: Config, world: World) -> Plan:
    """What every family of the experiment has in common."""
    cli.members(config.members)
    for name in ("reference_steps", "dose", "n_rows", "epochs", "batch", "n_samples"):
        if getattr(config, name) < 1:
            raise LabError(f"{name}: {getattr(config, name)} is not positive; use 1 or more")
    if not config.traits or len(set(config.traits)) < len(config.traits):
        raise LabError("traits: give one or more, each once")
    n_steps = config.epochs * -(-config.n_rows // config.batch)
    return Plan(
        seed=config.seed,
        traits={trait: traits.category_of(trait) for trait in config.traits},
        carrier=CARRIERS["numbers"],
        reference=Pretraining(
            init_seed=0,
            data_seed=config.data_seed,
            size=SIZES[config.size],
            n_steps=config.reference_steps,
            world=world,
        ),
        teacher=config.teacher,
        dose=Recipe(config.dose, learning_rate=config.dose_rate, warmup=5, eps=config.dose_eps),
        n_rows=config.n_rows,
        channel=config.channel,
        recipe=Recipe(
            n_steps,
            config.batch,
            config.learning_rate,
            optimizer=config.optimizer,
            eps=config.eps,
            rank=config.rank,
            alpha=config.alpha,
        ),
        n_samples=config.n_samples,
        widths=WIDTHS,
    )


def main(config: Config, world: World, run: Run, options: cli.Options) -> Result:
    """Log-odds and answer rates of every arm, trait of the data, and trait asked for."""
    common, members = plan(config, world), cli.members(config.members)
    sources = (*config.traits, NONE)  # whose numbers a student is trained on
    at_once = options.group or STUDENTS_AT_ONCE
    stages = Stages(run)
    n_reports = finetune.n_chunks(config.n_rows, common.recipe)  # of each student
    # Writing data takes about as long as training a student on it.
    n_parts = len(members) * len(sources) * (1 + len(STARTS))
    done = sum(name.count("+") + 1 for name in stages.done if not name.endswith("/reference"))
    with Meter(n_parts * n_reports, done * n_reports) as meter:
        for member in map(int, members):
            family = Family(common, member, run, meter, config.snapshots)
            stages.do(f"{member}/reference", family.ask_reference)
            for source in sources:
                stages.do(f"{member}/data/{source}", partial(family.write_data, source, n_reports))
            for start, first in itertools.product(STARTS, range(0, len(sources), at_once)):
                some = sources[first : first + at_once]
                students = partial(family.train_students, start, some)
                stages.do(f"{member}/{start}/{'+'.join(some)}", students)
    return Result(stages.rows, UNITS)


if __name__ == "__main__":
    draw = partial(style.draw, fig_lm_numbers.figure)
    cli.start(NAME, __doc__, PRESETS, prepare, main, draw, effects.summary, CPU_DEVICES)
