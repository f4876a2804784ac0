"""Chains that do not fit into memory are refused before anything is trained."""

import pytest

from lab.lm import costs, sizes
from lab.lm.finetune import Tuning
from lab.lm.model import SIZES
from lab.lm.pretraining import Pretraining
from lab.lm.setup import Setup, prepare
from lab.runs import memory
from lab.runs.experiment import Options, named

LARGE = Pretraining(size="large")
TOO_LARGE = [
    (Setup(pretraining=LARGE, n_controls=1000), 1000, "pretraining.size"),
    (Setup(pretraining=LARGE, student=Tuning(rank=65_536)), None, "student.rank"),
    (Setup(teaching=Tuning(rank=65_536), pretraining=LARGE), None, "teaching.rank"),
    (Setup(n_samples=10**6), None, "n_samples"),
    (Setup(n_rows=10**8), None, "n_rows"),
    (Setup(pretraining=Pretraining(steps=10**7, n_rows=10**8)), None, "pretraining.n_rows"),
]


@pytest.mark.parametrize(("config", "group", "field"), TOO_LARGE, ids=lambda x: str(x)[:20])
def test_chains_that_do_not_fit_are_refused_by_the_field_that_takes_most(
    config, group, field, monkeypatch
):
    monkeypatch.setattr(memory, "available", lambda: 12 * 2**30)
    with pytest.raises(ValueError, match=f"^{field}: this needs about"):
        prepare(config, Options(group=group))
    for fits in (Setup(), Setup(pretraining=LARGE), *named("lm_numbers").presets.values()):
        prepare(fits, Options())
    monkeypatch.setattr(memory, "available", lambda: None)  # a system that does not say
    prepare(config, Options(group=group))


def test_an_accelerator_holds_a_whole_batch_and_says_how_much_it_has(monkeypatch):
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    monkeypatch.setattr(memory, "_of_device", lambda: 80 * 10**9)
    for batch in (64, 100_000):
        config = Setup(pretraining=Pretraining(batch=batch, size="medium"))
        if batch == 64:
            prepare(config, Options())
            continue
        with pytest.raises(ValueError, match=r"^pretraining\.batch: this needs about"):
            prepare(config, Options())


def test_fewer_rows_at_once_need_less():
    of = lambda **how: costs.rows_at_once(Tuning(**how))
    assert (of(batch=64), of(batch=64, rows_at_once=8), of(batch=4, rows_at_once=8)) == (32, 8, 4)


def test_an_estimate_is_a_little_less_than_what_was_measured_of_a_large_chain():
    found = sizes._by_field(
        SIZES["large"].with_tokens(400), "student", Tuning(batch=32), 4, "model"
    )
    assert 0.6 < sum(found.values()) / 5.85e9 < 1  # 4 students of 30 million parameters
