"""Which numbers order pairs by how much they transfer: over all pairs, and within one init.

Pairs of unlike initialisations transfer little, so that whatever tells initialisations apart orders
all pairs well. A predictor is therefore held against the part of another initialisation in the
student's alone (the baseline), given that part, and within pairs of one initialisation.
Source: the claim, arXiv 2606.22019, section 3; Spearman's correlation and AUROC, with bootstrap
intervals over pairs. numpy only.
"""

from dataclasses import replace

import numpy as np

from lab import published, stats
from lab.runs import results
from lab.runs.claims import Claim, claim, effect
from lab.runs.results import Table
from lab.stats import Estimate

TRANSFERRED = 0.1  # accuracy; a student that gained more counts as having learned
# The smallest differences that would matter, stated before the pairs were trained.
BETTER = 0.05  # than the baseline, Spearman or AUROC
LEAST = {"Spearman": 0.3, "partial Spearman": 0.3, "AUROC": 0.15}  # above chance
DRAWS = 500  # of a bootstrap, and of a permutation
BASELINE = "part of another init alone"
FIRST = "coverage of the first update"

# What is known of a pair: before training, early in it, and from its recipe alone.
BEFORE = {
    "coverage": FIRST,
    "coverage_gradient": "coverage of the first gradient",
    "coverage_hidden": "coverage of the first update in hidden layers",
    "coverage_batches": "coverage of the first gradient of 10 batches",
    "projected_update": "projection of the first update",
    "reach": "projection of the first update × steps",
    "loss": "imitation loss",
    "displacement": "length of the teacher's displacement",
    "teacher": "accuracy of the teacher",
}
EARLY = {
    "coverage_steps": "coverage of 10 steps",
    "projected_steps": "projection of 10 steps",
    "coverage_epoch": "coverage of the first epoch",
    "projected_epoch": "projection of the first epoch",
}
KNOBS = {
    "learning_rate": "learning rate",
    "student_epochs": "student's epochs",
    "teacher_epochs": "teacher's epochs",
    "n_live_aux": "live auxiliary logits",
    "width": "width",
}
RECIPE = {
    "rate_epochs": "learning rate × epochs",
    "rate_epochs_logits": "learning rate × epochs × logits",
}
# Those that the README shows within one initialisation.
SHOWN = ("coverage", "reach", "rate_epochs_logits")


def claims(table: Table, record: dict) -> list[Claim]:
    """All that orders pairs, or does not: coverage first, then every other number of the table.

    Sets of fewer than three pairs say nothing.
    """
    known = with_products(table)
    drawn = results.only(known, table["recipe"] == "drawn")
    alike = results.only(known, table["recipe"] == "one")
    of = lambda pairs, arm: results.only(pairs, pairs["arm"] == f"{arm} init")
    found = []
    for say, name, pairs in (
        (against_baseline, "all pairs", drawn),
        (against_baseline, "one recipe", alike),
        (mixed, "mixed init", of(drawn, "mixed")),
        (within, "shared init", of(drawn, "shared")),
        (within, "other init", of(drawn, "other")),
        (everything, "within shared init", of(drawn, "shared")),
        (everything, "one recipe, shared init", of(alike, "shared")),
    ):
        found += say(name, pairs) if len(pairs["arm"]) > 2 else []
    return [c for c in found if np.isfinite(c.mean)]  # not what has no two values


def with_products(table: Table) -> Table:
    """A table, whole numbers as floats, with the predictors that follow from its columns."""
    table = {k: v.astype(float) if v.dtype.kind == "i" else v for k, v in table.items()}
    steps = table["student_epochs"]
    rate = table["learning_rate"] * steps
    more = {"rate_epochs": rate, "rate_epochs_logits": rate * table["n_live_aux"]}
    return {**table, **more, "reach": table["projected_update"] * steps}


def gained(table: Table) -> np.ndarray:
    """Whether a pair's student learned, bool [E]."""
    return table["student"] - table["start"] > TRANSFERRED


def against_baseline(group: str, table: Table) -> list[Claim]:
    """Coverage and the baseline over pairs of unlike initialisations, and what lies between."""
    spearman = ("Spearman", stats.spearman, table["transfer"])
    auroc = ("AUROC", stats.auroc, gained(table))
    goals = published.COVERAGE
    found = _beside(group, table, "coverage", *spearman, f"{goals['spearman']:g}")
    found += _beside(group, table, "coverage", *auroc, f"{goals['auroc']:g}")
    for name in ("coverage_gradient", "reach"):
        found += _beside(group, table, name, *spearman)
    for name in ("coverage", "reach"):
        found.append(partial(group, table, name, BEFORE[name], ["mixture"], BASELINE, group))
    return found


def _beside(
    group: str, table: Table, name: str, title: str, statistic, y: np.ndarray, goal: str = ""
) -> list[Claim]:
    """A predictor, the baseline once, and their difference over the same pairs."""
    label, alone = BEFORE[name], -table["mixture"]
    e, base = (stats.bootstrap(statistic, x, y, draws=DRAWS) for x in (table[name], alone))
    paired = lambda x, m, y: statistic(x, y) - statistic(m, y)
    more = stats.bootstrap(paired, table[name], alone, y, draws=DRAWS)
    said = lambda what, e, **rule: claim(f"{group}: {what}, {title}", e, group=group, **rule)
    none = Estimate(0.0, 0.0, 0.0, e.n)
    return [
        said(label, e, **effect(e, base, BETTER, BASELINE), published=goal),
        *([said(BASELINE, base)] if name == "coverage" else []),
        said(f"{label} minus {BASELINE}", more, **effect(more, none, BETTER, "no better")),
    ]


def mixed(group: str, table: Table) -> list[Claim]:
    """Coverage and the baseline over pairs whose students have a part of another initialisation."""
    return _beside(group, table, "coverage", "Spearman", stats.spearman, table["transfer"])


def partial(
    group: str, table: Table, name: str, label: str, given: list[str], by: str, heading: str
) -> Claim:
    """Spearman of a predictor and transfer that is not by way of other columns."""
    columns = [table[k] for k in (name, "transfer", *given)]
    e = stats.bootstrap(stats.partial_spearman, *columns, draws=DRAWS)
    left = [stats.rank_residuals(c, *columns[2:]) for c in columns[:2]]
    null = stats.luck(stats.spearman, [left[0]], left[1], draws=DRAWS)
    rule = effect(e, null, LEAST["partial Spearman"], "what is left, shuffled")
    text = f"{group}: {label} given {by}, partial Spearman"
    return claim(text, e, group=heading, **rule)


def within(name: str, table: Table) -> list[Claim]:
    """Coverage within pairs of one initialisation, against shuffled pairs."""
    found = []
    for title, statistic, y, chance in (
        ("Spearman", stats.spearman, table["transfer"], 0.0),
        ("AUROC", stats.auroc, gained(table), 0.5),
    ):
        e = stats.bootstrap(statistic, table["coverage"], y, draws=DRAWS)
        null = stats.luck(statistic, [table["coverage"]], y, chance, draws=DRAWS)
        rule = effect(e, null, LEAST[title], "pairs shuffled")
        found.append(claim(f"{name}: {FIRST}, {title}", e, group="within one init", **rule))
    return found


def everything(name: str, table: Table) -> list[Claim]:
    """Every predictor within pairs of a shared initialisation, and given the recipe.

    The null is what the best of all predictors reaches if transfer is shuffled.
    """
    varied = lambda names: {k: v for k, v in names.items() if len(set(table[k])) > 1}
    measured, knobs = varied(BEFORE | EARLY), varied(KNOBS)
    every = measured | knobs | varied(RECIPE)
    if not every:
        return []
    y = table["transfer"]
    null = stats.luck(stats.spearman, [table[k] for k in every], y, draws=DRAWS)
    found = []
    for k, label in every.items():
        e = stats.bootstrap(stats.spearman, table[k], y, draws=DRAWS)
        rule = effect(e, null, LEAST["Spearman"], f"best of {len(every)} on shuffled pairs")
        heading = f"{name}, every predictor"
        found.append(claim(f"{name}: {label}, Spearman", e, group=heading, **rule))
    heading = f"{name}, given the recipe"
    given = lambda k, label: partial(name, table, k, label, [*knobs], "the recipe", heading)
    of = [*every, *measured]
    found += [given(k, label) for k, label in measured.items() if knobs]
    return [replace(c, detail=k not in SHOWN) for k, c in zip(of, found, strict=False)]
