"""What a table of `theory.alignment` says: the cosine by definition, and the gain that it carries.

The gain of a student is its accuracy after training minus that before; what a treatment costs is
given as a part of the gain of plain imitation, of the same members.
Source: arXiv 2604.25779.
"""

import numpy as np

from lab import published, stats
from lab.runs import results
from lab.runs.claims import Claim, absent, claim, effect, interval, reproduced
from lab.runs.results import Table
from lab.stats import Estimate
from theory.alignment import LAYERS

# The smallest differences that would matter, stated before the students were trained.
LEAST_COSINE = 0.001
LEAST_GAIN = 0.05  # accuracy
LEAST_PART = 0.25  # of the gain, lost with the aligned part
WITHIN = 0.1  # of the gain, that nothing lost means
MARGIN = 0.001  # from the published cosine
PLAIN, CONTROL, RANDOM = "imitation", "other init", "random part removed"


def claims(table: Table, record: dict) -> list[Claim]:
    """Cosines of every arm and by every definition, accuracies, and the parts of the gain lost."""
    config = record["config"]
    return [
        *_cosines(table),
        *_definitions(table, config["student"]["batch"], config["large"], _an_epoch(config)),
        *_accuracies(table),
        *_parts(table),
    ]


def gain(table: Table, arm: str) -> np.ndarray:
    """Accuracy after training minus accuracy before, of each member [E]."""
    after, before = (results.last(table, arm, value) for value in ("after", "before"))
    return np.array([after[member] - before[member] for member in after])


def mean_along(table: Table, arm: str, value: str, last: float = np.inf) -> Estimate:
    """Mean over training, or up to a step, of each member, and over members."""
    steps, values = results.curves(table, arm, "step", value)
    return stats.mean_estimate(values[:, steps <= max(last, steps[0])].mean(axis=1))


def _an_epoch(config: dict) -> float:
    return float(-(-config["rows_per_epoch"] // config["student"]["batch"]))


def _cosines(table: Table) -> list[Claim]:
    null = mean_along(table, CONTROL, "cosine")
    found = []
    for arm in results.arms(table):
        e, up = mean_along(table, arm, "cosine"), mean_along(table, arm, "positive").mean
        text = f"{arm}: cosine of the two gradients, mean over training ({up:.0%} of steps above 0)"
        rule = effect(e, null, LEAST_COSINE, CONTROL) if arm == PLAIN else {}
        found.append(claim(text, e, "cosine", group="cosine of every arm", **rule))
    return found


def _definitions(table: Table, batch: int, large: int, epoch: float) -> list[Claim]:
    """The cosine of plain imitation by layers, rows and window, beside the published number."""
    windows = {"all of training": np.inf, "first epoch": epoch}
    found = []
    for kind, n in (("cosine", batch), ("large", large)):
        for end, layers in LAYERS.items():
            for window, last in windows.items():
                e, other = (mean_along(table, arm, kind + end, last) for arm in (PLAIN, CONTROL))
                rule = reproduced(e, published.GRADIENT_COSINE, MARGIN)
                rule["null"] = f"{interval(other, 4)}, {CONTROL}"
                seen = f"{n:,} rows" + (" once a row" if (kind, n) == ("large", batch) else "")
                text = f"cosine of {layers}, {seen}, {window}"
                found.append(claim(text, e, "cosine", group="cosine by definition", **rule))
    return found


def _accuracies(table: Table) -> list[Claim]:
    """Test accuracy before and after, and the gain."""
    mean = lambda arm, value: stats.mean_estimate(
        np.array([*results.last(table, arm, value).values()])
    )
    group, chance = "test accuracy", "0.1, chance"
    found = [claim("untrained student", mean(PLAIN, "before"), "accuracy", group=group)]
    found += [
        claim(f"{arm}: after training", mean(arm, "after"), "accuracy", group=group, null=chance)
        for arm in results.arms(table)
    ]
    null = stats.mean_estimate(gain(table, CONTROL))
    for arm in (PLAIN, "liminal"):
        e = stats.mean_estimate(gain(table, arm))
        rule = effect(e, null, LEAST_GAIN, CONTROL)
        found.append(claim(f"{arm}: gain", e, "accuracy", group=group, **rule))
    return found


def _parts(table: Table) -> list[Claim]:
    """Parts of plain imitation's gain that are lost, member by member."""
    whole = gain(table, PLAIN)
    after = lambda arm: np.array([*results.last(table, arm, "after").values()])
    part = lambda more, less: stats.ratio_estimate(after(more) - after(less), whole)
    lost = {arm: part(PLAIN, arm) for arm in results.arms(table)[1:]}
    aligned, random = lost["aligned part removed"], lost[RANDOM]
    beyond = part(RANDOM, "aligned part removed")
    causes = lambda e: effect(e, random, LEAST_PART, RANDOM)
    rules = {
        "aligned part removed": causes(aligned),
        "aligned update removed": causes(lost["aligned update removed"]),
        RANDOM: absent(random, WITHIN, aligned, "aligned part removed"),
    }
    group, unit = f"part of the gain of {np.mean(whole):.3f}", "of the gain"
    found = [
        claim(f"{arm}: part of the gain lost", e, unit, group=group, **rules.get(arm, {}))
        for arm, e in lost.items()
    ]
    none = Estimate(0.0, 0.0, 0.0, beyond.n)
    text = "aligned part removed rather than a random one: part of the gain lost"
    rule = effect(beyond, none, LEAST_PART, "as much as a random one")
    return [*found, claim(text, beyond, unit, group=group, **rule)]
