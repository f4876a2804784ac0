"""Where a student keeps a prompted teacher's trait: activations put back, position by position.

Claim:   the student has written the persona's effect into what it reads at the default system
         prompt: with the reference's activations put back there, most of the trait is gone.
Run:     python -m experiments.lm_restored          (presets: smoke, default)
Time:    a minute on 2 CPU cores after `lm_numbers --teacher prompted --members 5`.
Source:  ours; activation patching as in causal tracing (Meng et al. 2022, arXiv 2202.05262).

Arms are the positions (`lab.lm.restore`): "all" is the reference's stream, read by the student's
last layer. Trait "none": control students, which may have written something there too.
"""

import re
from functools import partial

import jax.numpy as jnp
import numpy as np

from figures import fig_lm_restored, style
from lab import stats
from lab.carriers.numbers import NUMBERS
from lab.lm import effects, make, restore, transmission
from lab.lm import rows as encoded
from lab.lm.contexts import WORLDS
from lab.lm.experiment import experiment
from lab.lm.model import Model
from lab.lm.setup import Setup
from lab.lm.stages import Seed
from lab.lm.tokenizer import PIECE
from lab.runs import claims, cli, results
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.results import Table
from lab.traits.measures import Words, log_odds
from lab.traits.trait import Trait

LEAST = 0.5  # of the effect
PARTS = {"system": "system prompt", "last": "mark of the assistant", "all": "everywhere"}
PRESETS = {
    "default": Setup(members="5", teacher="prompted"),
    "smoke": Setup(teacher="prompted", traits=("owl", "wolf"), n_rows=256),
}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds of the own trait of students, of every trait of a control's, by position."""
    found = []
    for cell in some:
        chain, root = (
            job.config.transmission(NUMBERS, cell.member),
            Seed(job.config.seed, cell.member),
        )
        base = make.model(chain.teacher_of(None, root))
        for pupil, model in transmission.trained(job, chain, root, "student"):
            own = [trait for trait in chain.traits if trait.name == pupil.student.source]
            for asked in own or chain.traits:
                place = {**cell.columns, "trait": pupil.student.source, "asked": asked.name}
                place["copy"] = pupil.student.seed.copy
                found += [row | place for row in by_position(model, base, asked)]
    return found


def by_position(model: Model, base: Model, asked: Trait) -> list[dict]:
    """Log-odds of a trait's word with the base's activations at each part of the prompt."""
    assert isinstance(asked.measure, Words)  # as all traits of a Setup are
    chats = [(None, question) for question in asked.measure.questions]
    tokens, start = encoded.prompts(base.tokenizer, chats)
    word = base.tokenizer.encode(asked.name)
    parts = restore.parts(base.tokenizer, tokens)
    found = []
    for arm, where in {"reference": parts["nothing"], **parts}.items():
        read = base if arm == "reference" else model
        log_p = restore.restored(read, base, jnp.asarray(tokens), jnp.asarray(start), where)
        odds = log_odds(np.asarray(log_p[:, word], np.float64))
        found.append({"arm": arm, "log_odds": float(odds[0])})
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """The effect, and the part of it that is lost with the reference's activations."""
    own = results.only(table, table["trait"] == table["asked"])
    by = {arm: effects.own(own, arm) for arm in results.arms(own)}
    whole = by["nothing"] - by["reference"]
    runs = f"{len(whole)} references, {whole.size} students"
    said = partial(claims.claim, runs=runs, group="the reference's activations put back")
    found = [said("students against the reference", effects.estimate(whole), "nats")]
    lost = lambda arm: (by["nothing"] - by[arm]).mean(axis=1)
    parts = {a: stats.ratio_estimate(lost(a), whole.mean(axis=1)) for a in by if a != "reference"}
    default = WORLDS[EXPERIMENT.config(record).world].default or ""
    words = ["its mark", *re.findall(PIECE, default), "its end"]
    for arm, e in list(parts.items())[1:]:
        name, _, i = arm.partition(" ")
        place = (
            f"system prompt, token {i} ({words[int(i) - 1].strip()})"
            if i
            else PARTS.get(name, name)
        )
        rule = claims.effect(e, parts["question"], LEAST, "question") if arm == "system" else {}
        text = f"part of it lost at: {place}"
        found.append(said(text, e, detail=bool(i) and e.mean < 0.05, **rule))
    return found


EXPERIMENT = experiment(
    "lm_restored",
    doc=__doc__,
    presets=PRESETS,
    snapshots=False,
    rows=rows,
    units={"log_odds": "nats"},
    claims=says,
    draw=style.drawing(fig_lm_restored.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
