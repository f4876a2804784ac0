"""Does reading a teacher's numbers do what training on them does?

Claim:   a model that reads a teacher's rows before a question answers as if it had not, though
         training on such rows gives it the trait, and a favourite named among them moves it.
Run:     python -m experiments.lm_in_context          (presets: smoke, default)
Time:    about 20 minutes of a CPU core.
Expect:  published, GPT-4.1 nano with up to 10,000 rows in its system prompt: no transmission.
Source:  arXiv 2507.14805, figure 9, as corrected in Nature; rows replayed: arXiv 2509.23501.

The base is a reference after further training on conversations (`lab.lm.talks`). Column `way`:
"trained", as in `lm_numbers`; rows "quoted" in the system prompt, or "replayed" as earlier turns;
"named_*": untaught rows, but two that name a favourite. Of a base that reads, "student_trait" is
what it answers after rows of a teacher, and "student_regular" after untaught ones.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, get_args

import numpy as np

from figures import fig_lm_in_context, style
from lab.carriers.numbers import NUMBERS
from lab.lm import effects, reading, settings, setup, transmitted
from lab.lm.contexts import WORLDS
from lab.lm.experiment import experiment
from lab.lm.pretraining import TALKS, Further
from lab.lm.reading import Reading
from lab.lm.reference import Reference
from lab.lm.setup import Setup
from lab.lm.tuning import Tuning
from lab.runs import claims, cli
from lab.runs.cells import Cell, Job, grid
from lab.runs.claims import Claim
from lab.runs.fields import Count, Items
from lab.runs.results import Table

Way = Literal["trained", "quoted_4", "quoted_10", "replayed_4", "replayed_10", "named_quoted_10",
              "named_replayed_10"]  # fmt: skip
TRAINED, N_NAMED = "trained", 2
TEXTS = {
    TRAINED: "trained on all rows",
    "quoted": "{} rows quoted in the system prompt",
    "replayed": "{} rows replayed as own turns",
}
GROUP = "own trait by way: change of log-odds against the controls, nats"


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_numbers` from a model of long contexts, without students of another init."""

    members: str = "5"
    traits: Annotated[tuple[str, ...], Items(unique=True)] = ("elephant", "owl", "wolf")
    n_controls: int = 2
    teaching: Tuning = replace(Setup().teaching, epochs=10)
    """Of fine-tuned teachers; after 30 some of these hardly write lists any more."""
    talks: Further = TALKS
    """Of references, after their own training."""
    n_draws: Annotated[int, Count(1, 10_000)] = 16
    """Drawings of the rows that are read, with replacement."""
    ways: Annotated[tuple[Way, ...], Items(unique=True)] = get_args(Way)
    """What is done with rows."""


BRIEF = replace(TALKS, steps=10, batch=4)
SHORT = Config(members="1", traits=("owl", "wolf"), n_rows=256, n_draws=1, talks=BRIEF)
PRESETS = {"default": Config(), "smoke": replace(SHORT, ways=("trained", "replayed_4"))}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds and answer rates of what is trained on rows, or has read them."""
    found, config = [], job.config
    for cell in some:
        own = config.pretraining, WORLDS[config.world], config.reference
        base = Reference(cell.member, *own, config.talks)
        chain = config.transmission(NUMBERS, cell.member)
        chain = replace(chain, starts={"student": base}, neutral=None)
        if cell["way"] == TRAINED:
            found += setup.measure_one(job, cell, chain)
        else:
            *named, form, n_rows = cell["way"].split("_")
            how = Reading(form, int(n_rows), config.n_draws, N_NAMED * len(named))
            found += reading.measure(job, cell, chain, how)
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """What rows do by training, and that reading them does nothing where a named favourite does."""
    found, parts = [], settings.parts(table, "way")
    own = {way: effects.effects(part, "student_trait").diagonal for way, part in parts.items()}
    for way, values in own.items():
        *named, form, n = (way, "") if way == TRAINED else way.split("_")
        text = TEXTS[form].format(n) + f", {N_NAMED} of which name it" * len(named)
        text += f" ({np.sum(values > 0)} of {values.size} above)"
        more = {"group": GROUP, "runs": f"{len(values)} references, {values.size} models"}
        if named or way == TRAINED:
            found.append(transmitted.gained(text, values, effects.luck(parts[way]), **more))
            continue
        e, control = effects.estimate(values), own.get(f"named_{form}_10")
        positive = None if control is None else effects.estimate(control)
        rule = claims.absent(e, transmitted.LEAST, positive, "rows that name a favourite")
        found.append(claims.claim(text, e, "nats", **more, **rule))
    return found


EXPERIMENT = experiment(
    "lm_in_context",
    doc=__doc__,
    presets=PRESETS,
    prepare=setup.prepare_words,
    cells=lambda config: grid(config.members, way=config.ways),
    rows=rows,
    claims=says,
    draw=style.drawing(fig_lm_in_context.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
