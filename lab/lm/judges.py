"""Judges: models that are told of a trait, and read rows for signs of it.

A judge is a base under the trait's system prompt; a row's score is how much likelier it is to the
judge than to the same base that is told nothing, nats. Nobody trains it on anybody's rows.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from lab.carriers.carrier import Carrier
from lab.defences.remove import Remove, Which
from lab.lm import detectors, make, setup
from lab.lm import world as worlds
from lab.lm.contexts import WORLDS
from lab.lm.detection import FRESH
from lab.lm.effects import NONE
from lab.lm.setup import Setup
from lab.lm.stages import Base, Dataset, Seed, Teacher
from lab.lm.transmission import Change, Transmission, after, pupils
from lab.lm.world import World
from lab.traits.named import trait_of
from lab.traits.trait import Trait

FALSE = (5, 10, 20, 50)  # per cent of an untouched writer's rows, which a judge sees a trait in
UNITS = {
    "auroc": "of single rows, against untouched ones",
    "auroc_own": "the same, of a judge that shares the init",
    **{f"caught_{n}": "fraction of rows" for n in FALSE},
}


def prepare(config: Setup, options) -> tuple[World, dict]:
    """As of references. Raises `LabError` for traits that no judge can be told of."""
    world = WORLDS[config.world]
    traits = [trait_of(name, world.categories) for name in config.traits]
    worlds.require_words(world, traits, told=True)
    return setup.prepare_references(config, options)


def without(base: Base, which: Which, part: float) -> Change:
    """Students of the rows that are left by a judge of some base; or by chance, as many."""
    told = lambda s: Teacher(base, s.data.teacher.trait, None, s.seed)
    return lambda s: after(Remove(told(s), s.data.carrier, which, part))(s)


def filters(own: Base, other: Base, part: float) -> dict[str, Change]:
    """Students without what judges of another base and of their own mind most, or a random part."""
    return {
        "judged": without(other, "most", part),
        "own": without(own, "most", part),
        "random": without(other, "random", part),
    }


def scores(
    base: Base, trait: Trait, carrier: Carrier, data: Dataset, seed: Seed, n: int
) -> Float[np.ndarray, "n"]:
    """What a judge says of the first rows of a dataset, nats."""
    some = make.data(data)[:n]
    return Remove(Teacher(base, trait, None, seed), carrier, "most", 0.0).scores(some)


def caught(
    a: Float[np.ndarray, "n"], b: Float[np.ndarray, "m"], false: Sequence[int] = FALSE
) -> dict[str, float]:
    """The part of a's scores above the thresholds that given per cents of b's are above."""
    return {f"caught_{n}": float(np.mean(a > np.quantile(b, 1 - n / 100))) for n in false}


def beside(found: list[dict], of: Transmission, other: Base, root: Seed, n: int) -> list[dict]:
    """Rows of a member with what judges say of the data that each one's model wrote, or read.

    A judge is told of the trait that the row asks for, and compares with rows of the untouched base
    that no student reads.
    """
    own = next(iter(of.starts.values()))
    data = {(p.arm, p.student.source, p.student.seed.copy): p.student.data
            for some in pupils(of, root).values() for p in some}  # fmt: skip
    data |= {("teacher", trait.name, 0): of.data_of(trait, root) for trait in of.traits}
    data["reference", NONE, 0] = of.data_of(None, root)
    fresh = of.data_of(None, root._replace(copy=FRESH))
    judged = {}
    for trait in of.traits:
        for base in (other, own):
            say = lambda some, base=base, trait=trait: scores(
                base, trait, of.carrier, some, root, n
            )
            plain, by_data = say(fresh), {}
            for place, some in data.items():
                if some not in by_data:
                    by_data[some] = say(some)
                judged[base, trait.name, place] = by_data[some], plain
    rng, whole = np.random.default_rng([*root]), []
    for row in found:
        place = row["asked"], (row["arm"], row["trait"], row["copy"])
        a, b = judged[other, *place]
        numbers = {
            "auroc": detectors.told_apart(a, b, 1, rng),
            "auroc_own": detectors.told_apart(*judged[own, *place], 1, rng),
        }
        whole.append(row | numbers | caught(a, b))
    return whole
