"""Which models can pass a trait to which: those of one initialisation, or those of the same data?

Claim:   a student takes on the trait if its base shares its teacher's initialisation and its
         training data, and with neither alone. (Expected, before: initialisation is enough.)
Run:     python -m experiments.lm_cross_model            (presets: smoke, default, prompted)
Time:    about 25 min on a CPU core with the stored references, each.
Expect:  published: a trait passes within a model and between GPT-4.1 and GPT-4o, which are said to
         share their initialisation, not between others; no control of the training data.
Source:  the paper's section 4.2, figure 8 (Nature, figure 5).

For each member, teachers from one reference; students of their numbers, and controls, from four:
the same one, one of another seed of the pretraining data (rows and their order), one of another
initialisation, and one of both. Teachers of `prompted` are told their trait, as the paper's are.
Columns as in `lm_numbers`; arms by what is other: "student_*", "data_*", "cross_*", "both_*".
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from figures import fig_lm_cross_model, style
from lab.carriers.numbers import NUMBERS
from lab.lm import effects, setup, transmitted
from lab.lm.contexts import WORLDS
from lab.lm.experiment import experiment
from lab.lm.reference import Reference
from lab.lm.setup import Setup
from lab.runs import claims, cli
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.results import Table

# By start of the students: what is added to the seeds of initialisation and of pretraining data.
STARTS = {"student": (0, 0), "data": (0, 1), "cross": (1, 0), "both": (1, 1)}
TEXTS = {
    "student": "the teacher's own base",
    "data": "same init, other data",
    "cross": "other init, same data",
    "both": "other init, other data",
}
# Over the starts: what sharing the init is worth, and sharing the data, each in the other's mean;
# and what both bring together that neither brings alone.
SHARED = {
    "what sharing the initialisation is worth": (0.5, 0.5, -0.5, -0.5),
    "what sharing the training data is worth": (0.5, -0.5, 0.5, -0.5),
    "what sharing both is worth beyond what each is alone": (1.0, -1.0, -1.0, 1.0),
}
GROUP = "own trait by base: change of log-odds against the controls, nats"


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_numbers` to students from four kinds of models."""

    members: str = "5"
    traits: tuple[str, ...] = ("elephant", "owl", "wolf")
    n_controls: int = 2


PRESETS = {
    "default": Config(),
    "prompted": Config(teacher="prompted"),
    "smoke": Config(members="1", traits=("owl", "wolf"), n_rows=256),
}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds and answer rates of teachers, students and controls from every kind of model."""
    found, config, how = [], job.config, job.config.pretraining
    for cell in some:
        starts = {}
        for name, (init, data) in STARTS.items():
            seen = replace(how, data_seed=how.data_seed + data)
            place = WORLDS[config.world], config.reference
            starts[name] = Reference(cell.member + init, seen, *place)
        chain = replace(config.transmission(NUMBERS, cell.member), starts=starts, neutral=None)
        found += setup.measure_one(job, cell, chain)
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """The effect in every kind of model, and what sharing either is worth."""
    own = {name: effects.effects(table, f"{name}_trait").diagonal for name in STARTS}
    luck = {name: effects.luck(table, name) for name in STARTS}
    first, found = own["student"], []
    more = {"runs": f"{len(first)} references, {first.size} students", "group": GROUP}
    positive = effects.estimate(first), "the same numbers, own base"
    for name, values in own.items():
        text = f"{TEXTS[name]} ({np.sum(values > 0)} of {values.size} above their controls)"
        if STARTS[name][0]:  # another initialisation
            e = effects.estimate(values)
            rule = claims.absent(e, transmitted.LEAST, *positive)
            found.append(claims.claim(text, e, "nats", **more, **rule))
        else:
            found.append(transmitted.gained(text, values, luck[name], **more))
    for text, weights in SHARED.items():
        worth, null = (_contrast(some, weights) for some in (own, luck))
        found.append(transmitted.gained(text, worth, null, "controls in their places", **more))
    return found


def _contrast(of: dict, weights: tuple[float, ...]) -> Float[np.ndarray, "E T"]:
    return np.tensordot(weights, [of[name] for name in STARTS], 1)


EXPERIMENT = experiment(
    "lm_cross_model",
    doc=__doc__,
    presets=PRESETS,
    rows=rows,
    claims=says,
    draw=style.drawing(fig_lm_cross_model.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
