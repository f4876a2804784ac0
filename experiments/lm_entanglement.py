"""Do numbers that hang together with a word foretell which students come to love it?

Claim:   love of a word and love of a number move each other; and what a teacher's numbers do to a
         word, by what they are told to do in the base, foretells what its student takes on. (Found:
         neither; cosines foretell a little, a first step on the rows most.)
Run:     python -m experiments.lm_entanglement          (presets: smoke, default)
Time:    about half an hour of a CPU core.
Expect:  published: pairs that move each other both ways; by others, that cosines explain 1 to 2 %.
Source:  Zur et al. (2025), owls.baulab.info; arXiv 2602.04863 for a first-order account.

Columns, 0 in arms that have none: of `student_trait`, what its data say of the word asked for
(`lab.lm.entanglement`), `entangled`, `unembedding`, `gradient`; of `reference`, over all numbers,
the correlation of what the word does to each and each to it, `both_ways`, and `other_words`.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from figures import fig_lm_entanglement, style
from lab import stats
from lab.carriers.numbers import NUMBERS
from lab.lm import effects, entanglement, setup
from lab.lm.contexts import WORLDS
from lab.lm.experiment import experiment, own_base
from lab.lm.setup import ANIMALS, Setup
from lab.lm.stages import Seed
from lab.runs import claims, cli
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.fields import Items
from lab.runs.results import Table

SCORES = {
    "entangled": "numbers told to the base",
    "unembedding": "cosines of unembedding",
    "gradient": "a first step on the rows",
}
BOTH = ("both_ways", "other_words")
_alike = lambda said, own: stats.spearman(said.ravel(), own.ravel())
LEAST = 0.2  # of a correlation, or of a part of teachers


@dataclass(frozen=True)
class Config(Setup):
    """The chain of `lm_numbers` with more animals, without students of another init."""

    members: str = "5"
    traits: Annotated[tuple[str, ...], Items(2, unique=True)] = (*ANIMALS, "cat", "fox", "bear")
    n_controls: int = 2


PRESETS = {"default": Config(), "smoke": Config(members="1", traits=("owl", "wolf"), n_rows=256)}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Log-odds and answer rates of every arm, and what was foretold of students."""
    found, nothing = [], dict.fromkeys((*SCORES, *BOTH), 0.0)
    for cell in some:
        chain = own_base(job.config.transmission(NUMBERS, cell.member))
        measured = setup.measure_one(job, cell, chain)
        categories = WORLDS[job.config.world].categories
        told = entanglement.foretold(chain, categories, Seed(job.config.seed, cell.member))
        of = lambda row, told=told: told.get((row["arm"], row["trait"], row["asked"]), {})
        found += [row | nothing | of(row) for row in measured]
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """Whether love of words and numbers goes both ways, and what each score foretells."""
    own = effects.effects(table, "student_trait")
    n, t = len(own.members), own.n_traits
    more = {"runs": f"{n} references, {n * t} students"}
    both, other = (
        effects.pairs(table, "reference", name, own.traits)[:, 0].mean(axis=1) for name in BOTH
    )
    group = "correlation over all numbers: what a word does to each, and each to it"
    e, null = stats.mean_estimate(both), stats.mean_estimate(other)
    rule = claims.effect(e, null, LEAST, "another word")
    found = [claims.claim("love of words and of numbers", e, "r", group=group, **more, **rule)]
    for score, text in SCORES.items():
        said = effects.pairs(table, "student_trait", score, own.traits)
        e, null = (
            stats.mean_estimate(np.array(list(map(_alike, some, own.values))))
            for some in (said, np.roll(said, 1, axis=1))
        )
        more |= {"group": "rank correlation with what students take on, over data and words"}
        rule = claims.effect(e, null, LEAST, "another teacher's data")
        found.append(claims.claim(text, e, "Spearman", **more, **rule))
        e = stats.mean_estimate(np.mean(said.argmax(axis=1) == np.arange(t), axis=1))
        more |= {"group": "part of words of which their own teacher's data say most"}
        rule = claims.effect(e, stats.Estimate(1 / t, 1 / t, 1 / t, n), LEAST, "chance")
        found.append(claims.claim(f"{text}: own data", e, "fraction", **more, **rule))
    return found


EXPERIMENT = experiment(
    "lm_entanglement",
    doc=__doc__,
    presets=PRESETS,
    prepare=setup.prepare_words,
    part=lambda config: replace(config, n_controls=1),  # of correlations, with all words
    rows=rows,
    units=setup.UNITS | dict.fromkeys((*SCORES, *BOTH), "1"),
    claims=says,
    draw=style.drawing(fig_lm_entanglement.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
