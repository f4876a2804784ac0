"""Whose rows a forecast names that it does not expect: other recipes, mixtures, carriers, bases.

Claim:   a trait is named whatever recipe its teacher had, from numbers, code and solved problems,
         and from rows of which a part are its own; rows of another base are said to be of another.
Run:     python -m experiments.lm_forecast_limits            (presets: smoke, default, many)
Time:    about 40 s a data set of 1,000 rows on a CPU core; default 85 data sets; many 25
         of 4,000, three minutes each.
Source:  ours. Candidates are the world's words, told, and taught by the recipe of `lm_numbers`.

Arm "forecast"; `writer` (`lab.forecast.writers`) of the data set, `trait` that it has, or would
have. Columns: which verdict, and whether the likeliest trait is the writer's, whatever that is;
of a writer of two, whether these are the first two.
Code and solutions are of the world of `lm_carriers`, without words of the traits' categories.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from figures import fig_lm_forecast_limits, style
from lab.forecast.measured import JUDGED, VERDICTS, Among, judged
from lab.forecast.writers import TWO, WRITERS, setting
from lab.lm import effects, setup
from lab.lm.experiment import experiment
from lab.runs import claims, cli, fields, results
from lab.runs.cells import Cell, Job, grid
from lab.runs.claims import Claim
from lab.runs.fields import Items
from lab.runs.results import Table
from lab.stats import Estimate

LEAST = 0.5  # of data sets: what is claimed, chosen before the table
CLEAN = ("the base", "code of the base", "solutions of the base")
OTHERS = ("another base", "its teacher")


@dataclass(frozen=True)
class Config(Among):
    """Teachers of `lm_numbers`, and others, forecast from their rows."""

    members: str = "5"
    traits: tuple[str, ...] = ("owl", "oak", "elephant", "pine", "wolf")
    """One for each reference, in turn."""
    n_rows: int = 1000
    writers: Annotated[tuple[str, ...], Items(1, unique=True)] = tuple(WRITERS)
    """Whose rows."""

    def __post_init__(self):
        super().__post_init__()
        known = set(self.writers) <= set(WRITERS), "writers", f"of {', '.join(WRITERS)}"
        taught = self.teacher == "finetuned", "teacher", "finetuned: told ones are a writer"
        fields.require(self, known, taught)


HARD = ("30 % of rows", "10 % of rows", TWO, *OTHERS)  # what takes more rows
SMOKE = Config(
    members="1", traits=("owl", "oak"), n_rows=100, among="own", writers=("the base", "told")
)
PRESETS = {"default": Config(), "many": Config(n_rows=4000, writers=HARD), "smoke": SMOKE}


def prepare(config: Config, options) -> tuple[None, dict]:
    """What identifies the worlds."""
    setup.prepare_words(config, options)
    some = dict.fromkeys(setting(config, writer)[0] for writer in config.writers)
    return setup.prepare_worlds(list(some), options)


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """The verdict on a writer's data set."""
    found = []
    for cell in some:
        config, carrier = setting(job.config, cell["writer"])
        config = replace(config, traits=(config.traits[cell.member % len(config.traits)],))
        chain = config.transmission(carrier, cell.member)
        found += judged(job, cell, chain, config.candidates, cell["writer"])
    return found


def says(table: Table, record: dict) -> list[Claim]:
    """Of each writer's data sets, how many get the verdict that they should."""
    found, n = [], len(set(table["member"].tolist()))
    of = lambda writer, column: effects.estimate(
        results.curves(results.where(table, writer=writer), "forecast", "writer", column)[1]
    )
    there = list(dict.fromkeys(table["writer"].tolist()))
    for writer in there:
        part = results.where(table, writer=writer)
        more = {"runs": f"{n} references, {len(part['arm'])} data sets", "group": "right verdict"}
        right = dict.fromkeys(CLEAN, "nothing_found") | dict.fromkeys(OTHERS, "not_this_base")
        right = right.get(writer, "named")
        null = of(CLEAN[0], right) if CLEAN[0] in there and writer not in CLEAN else None
        rule = claims.effect(
            of(writer, right), null or Estimate(0.0, 0.0, 0.0, n), LEAST, "the base"
        )
        text = f"{writer}: {VERDICTS[right]}"
        found.append(claims.claim(text, of(writer, right), "fraction", **more, **rule))
        if right == "named":
            more["group"] = "likeliest trait is the writer's, whatever the verdict"
            found.append(claims.claim(f"{writer}: right", of(writer, "right"), "fraction", **more))
            more["group"] = JUDGED["read"]
            found.append(claims.claim(f"{writer}: read", of(writer, "read"), "rows", **more))
    return found


EXPERIMENT = experiment(
    "lm_forecast_limits",
    doc=__doc__,
    presets=PRESETS,
    snapshots=False,
    prepare=prepare,
    cells=lambda config: grid(config.members, writer=config.writers),
    part=lambda config: config,
    rows=rows,
    units=JUDGED,
    claims=says,
    draw=style.drawing(fig_lm_forecast_limits.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
