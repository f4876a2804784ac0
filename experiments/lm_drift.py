"""A language student moves toward its teacher: where, along training, beside control students.

Claim:   the displacement of a student of a teacher's numbers points along the teacher's own, above
         students of the untouched reference's numbers, of another trait's and of another init.
Run:     python -m experiments.lm_drift --members 5      (presets: smoke, default)
Time:    about 5 min a reference on 2 CPU cores.
Expect:  ours; cosines of a random direction are .004.
Source:  the theorem of arXiv 2507.14805, section 6, along whole trainings.

For each member (an independent reference): a teacher for each trait, students of their numbers, of
the reference's (three copies), and from the next member's reference. Arms: `lab.drift.language`.
"""

from dataclasses import replace

from figures import fig_lm_drift, style
from lab.carriers.numbers import NUMBERS
from lab.drift import decoders, drifted, language
from lab.lm.experiment import experiment
from lab.lm.setup import Setup
from lab.runs import cli
from lab.runs.cells import Cell, Job
from lab.runs.claims import Claim
from lab.runs.results import Table

STUDENT, MAIN = "student_own", "student_untouched"
NULLS = {MAIN: "untouched reference", "student_other": "other trait", "cross_own": "other init"}
PRESETS = {
    "default": Setup(traits=("owl", "wolf")),
    "smoke": Setup(traits=("owl", "wolf"), n_rows=512, n_controls=1),
}


def rows(job: Job, some: list[Cell]) -> list[dict]:
    """Every arm at every point, whole, by layer and by attention head."""
    chain = lambda cell: job.config.transmission(NUMBERS, cell.member)
    return [row for cell in some for row in language.rows(job, cell, chain(cell))]


def fewer_controls(config: Setup) -> Setup:
    """Some of the same rows sooner, with all traits: probes and steering compare them."""
    return replace(config, n_controls=min(config.n_controls, 2))


def says(table: Table, record: dict) -> list[Claim]:
    """Where students end beside each null, and what of the trait each layer brings alone."""
    runs = f"{len(set(table['member']))} references"
    more = {"group": "after training", "runs": runs}
    found = drifted.moved(table, STUDENT, NULLS, **more)
    more["group"] = "log-odds of the trait: what carries it"
    return [*found, *drifted.carried(table, STUDENT, MAIN, NULLS[MAIN], "log_odds", **more)]


EXPERIMENT = experiment(
    "lm_drift",
    doc=__doc__,
    presets=PRESETS,
    snapshots=False,
    rows=rows,
    units=decoders.UNITS,
    part=fewer_controls,
    claims=says,
    draw=style.drawing(fig_lm_drift.figure),
)

if __name__ == "__main__":
    cli.start(EXPERIMENT)
