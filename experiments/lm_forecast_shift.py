"""What will a student answer? Students of a simulated teacher foretell it, before anybody trains.

Claim:   the mean shift of a few students of a simulated teacher orders all words as students of
         the real teacher's rows do (rank correlation at least .9), whatever their recipe.
Run:     python -m experiments.lm_forecast_shift            (presets: smoke, default)
Time:    about 12 min a reference on a CPU core.
Source:  ours. A prototype had correlations of .92 to .99, with more rows.

A row for each (member, recipe, trait) and word that is `asked` for. Columns are changes of its
log-odds: of the simulated teacher's students (`forecast`, their mean), of two students of the real
teacher (`student`, `second`), each against controls of its own; of the simulated `teacher`.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args

from figures import fig_lm_forecast_shift, style
from lab.carriers.numbers import NUMBERS
from lab.forecast.agreement import COLUMNS, PAIRS, correlations, of_students
from lab.forecast.measured import Among
from lab.forecast.student import beside_real
from lab.lm import effects, settings, setup
from lab.lm.experiment import experiment, own_base
from lab.lm.stages import Seed
from lab.lm.transmission import Transmission
from lab.runs import claims, cli, results
from lab.runs.cells import Cell, Job, grid
from lab.runs.claims import Claim
from lab.runs.fields import Count, Items
from lab.runs.results import Table
from lab.stats import Estimate

LEAST = 0.9  # of the rank correlation: what is claimed
Recipe = Literal["as it is", "1,500 rows", "read twice", "a third of the rate", "usual epsilon",
                 "twice the width"]  # fmt: skip
CHANGES: dict[str, dict[str, Any]] = {
    "read twice": {"epochs": 2},
    "a third of the rate": {"learning_rate": 1e-3},
    "usual epsilon": {"eps": 1e-8},
}


@dataclass(frozen=True)
class Config(Among):
    """Teachers of `lm_numbers`, and students of fewer rows."""

    members: str = "5"
    traits: tuple[str, ...] = ("elephant", "owl", "oak")
    n_rows: int = 6000
    recipes: Annotated[tuple[Recipe, ...], Items(unique=True)] = get_args(Recipe)
    """Of students, simulated and real; of twice the width are their base and its teachers too."""
    n_students: Annotated[int, Count(1, 100)] = 3
    """Of each simulated teacher, and as many controls."""


SMOKE = Config(members="1", traits=("owl",), n_rows=400, recipes=("as it is",), n_students=1)
PRESETS = {"default": Config(), "smoke": SMOKE}


def at(config: Config, recipe: Recipe, member: int) -> Transmission:
    """The chain with a recipe of students."""
    if recipe == "twice the width":
        config = replace(config, pretraining=replace(config.pretraining, size="tiny"))
    of = own_base(config.transmission(NUMBERS, member))
    n_rows = of.n_rows // 4 if recipe == "1,500 rows" else of.n_rows
    return replace(of, n_rows=n_rows, student=replace(of.student, **CHANGES.get(recipe, {})))


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Foretold and real shifts of every word, for every trait's teacher."""
    found, config = [], job.config
    for cell in some:
        of = at(config, cell["recipe"], cell.member)
        for trait in of.traits:
            root = Seed(config.seed, cell.member)
            each = beside_real(of, trait, config.candidates, root, config.n_students)
            place = {"arm": "forecast", **cell.columns, "trait": trait.name}
            found += [place | {"asked": word} | values for word, values in each.items()]
            job.advance(f"{trait.name}, {cell['recipe']}", 1 / len(of.traits))
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """How well words are ordered, by recipe, and what a trait's own word gains."""
    found, n = [], len(set(table["member"].tolist()))
    for recipe, part in settings.parts(table, "recipe").items():
        more = {"runs": f"{n} references", "group": "rank correlation over words, with students"}
        for text, pair in PAIRS.items():
            e, nothing = effects.estimate(correlations(part, pair)), Estimate(0.0, 0.0, 0.0, n)
            judged = claims.effect(e, nothing, LEAST, "no relation")
            rule = judged if text == "the forecast" else {}
            found.append(claims.claim(f"{recipe}: {text}", e, "correlation", **more, **rule))
        own = results.only(part, part["asked"] == part["trait"])
        of = {name: results.curves(own, "forecast", "trait", name)[1] for name in COLUMNS}
        more["group"] = "a teacher's own word: change of log-odds, nats"
        for text, values in (("is foretold", of["forecast"]), ("in students", of_students(of))):
            e = effects.estimate(values)
            found.append(claims.claim(f"{recipe}: own word, {text}", e, "nats", **more))
    return found


EXPERIMENT = experiment(
    "lm_forecast_shift",
    doc=__doc__,
    presets=PRESETS,
    snapshots=False,
    prepare=setup.prepare_words,
    cells=lambda config: grid(config.members, recipe=config.recipes),
    part=lambda config: replace(config, traits=config.traits[:1]),
    rows=rows,
    units=dict.fromkeys(COLUMNS, "nats"),
    claims=says,
    draw=style.drawing(fig_lm_forecast_shift.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
