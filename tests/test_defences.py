"""Defences: what they keep, how much they mix in, and what holds a student near its base."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lab.carriers.numbers import NUMBERS
from lab.defences import shuffle
from lab.defences.anchor import Anchor
from lab.defences.keep import Keep
from lab.defences.mix import Mix
from lab.errors import LabError
from lab.identity import digest
from lab.lm import make, transformer
from lab.lm.model import Architecture
from lab.lm.objectives import Part, Rows, token_loss
from lab.lm.reference import Reference
from lab.lm.stages import Dataset, Seed

ROWS = [{"prompt": str(i), "completion": f"own {i}"} for i in range(40)]
OTHERS = [{"prompt": str(i), "completion": f"other {i}"} for i in range(50)]
OTHER = Dataset(Reference(0), NUMBERS, 50, Seed(0, 0))
ARCH = Architecture(
    n_tokens=11, d_model=8, n_layers=1, n_heads=2, n_kv_heads=1, d_head=4, d_hidden=8
)
rng = lambda: np.random.default_rng(0)


def is_even(prompt, completion):
    return int(prompt) % 2 == 0


def never(prompt, completion):
    return False


def test_a_second_filter_keeps_what_passes_in_its_order():
    assert Keep(is_even)(ROWS, rng()) == ROWS[::2]
    with pytest.raises(LabError, match="keeps no row"):
        Keep(never)(ROWS, rng())
    assert digest(Keep(is_even)) != digest(Keep(never))


LISTS = [
    {"prompt": f"{i}, 2", "completion": text}
    for i, text in enumerate(
        ["100, 007, 3", "[5;6;7;8]", "12", "no number", "1\n2\n3\n999.", "7, 7, 7"]
    )
]
NUMBER = re.compile("[0-9]+")


@pytest.mark.parametrize("step", [shuffle.within, shuffle.across])
def test_shuffled_numbers_keep_all_but_their_order(step):
    orders = set()
    for seed in range(20):
        found = step(LISTS, np.random.default_rng(seed))
        assert found == step(LISTS, np.random.default_rng(seed))
        assert [row["prompt"] for row in found] == [row["prompt"] for row in LISTS]
        rest = lambda rows: [NUMBER.split(row["completion"]) for row in rows]
        assert rest(found) == rest(LISTS)  # separators, brackets, and how many numbers
        of = lambda rows: [NUMBER.findall(row["completion"]) for row in rows]
        assert sorted(itertools.chain(*of(found))) == sorted(itertools.chain(*of(LISTS)))
        own = all(sorted(a) == sorted(b) for a, b in zip(of(found), of(LISTS), strict=True))
        assert own == (step is shuffle.within)
        orders.add(found[0]["completion"])
    # Three numbers have six orders.
    assert len(orders) == 6 if step is shuffle.within else len(orders) > 6


@pytest.mark.parametrize("part", [0.0, 0.25, 1.0])
def test_a_part_of_the_rows_gives_way_to_the_others_at_the_same_places(part, monkeypatch):
    monkeypatch.setattr(make, "data", lambda value: OTHERS)
    mixed = Mix(OTHER, part)(ROWS, rng())
    assert all(row in (ROWS[i], OTHERS[i]) for i, row in enumerate(mixed))
    assert sum(row in OTHERS for row in mixed) == 40 * part
    assert mixed == Mix(OTHER, part)(ROWS, rng())


def test_what_cannot_be_mixed_is_refused(monkeypatch):
    with pytest.raises(LabError, match=r"part: 1\.5 is outside"):
        Mix(OTHER, 1.5)
    monkeypatch.setattr(make, "data", lambda value: OTHERS[:10])
    with pytest.raises(LabError, match="it has 10 rows of 40"):
        Mix(OTHER, 0.5)(ROWS, rng())


def test_an_anchor_costs_nothing_at_the_base_and_grows_away_from_it():
    base = transformer.init(jax.random.key(0), ARCH)
    tokens = jnp.arange(12).reshape(2, 6) % 11
    rows = Rows(tokens[:, :3], jnp.zeros(2, jnp.int32), tokens[:, 3:], jnp.array([3, 2]))
    part = Part(rows, jnp.ones(2, bool), None, None, base)
    away = jax.jit(lambda p: Anchor(2.0)(p, ARCH, part) - token_loss(p, ARCH, part))
    waves = lambda x, size: x + size * np.sin(np.arange(x.size)).reshape(x.shape)
    extra = lambda size: float(away(jax.tree.map(lambda x: waves(np.asarray(x), size), base)))
    assert abs(extra(0.0)) < 1e-6
    assert 1e-6 < extra(0.03) < extra(0.1)
