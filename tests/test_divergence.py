"""Divergence tokens: which they are, what a loss on them is, and what a table of students says."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import lm_divergence_tokens
from experiments.lm_divergence_tokens import EXPERIMENT, PRESETS, TEXTS, says
from lab.carriers.numbers import NUMBERS
from lab.defences import divergence
from lab.defences.divergence import DivergenceTokens
from lab.errors import LabError
from lab.lm import make, transformer
from lab.lm.model import Architecture
from lab.lm.objectives import Imitated, Part, Rows, completion_logits, token_loss
from lab.lm.stages import Dataset, Seed, Student, Teacher
from lab.runs import results
from lab.runs.cells import Cell
from lab.runs.experiment import Options
from tests.tables import GAINS, table

ARCH = Architecture(
    n_tokens=11, d_model=8, n_layers=1, n_heads=2, n_kv_heads=1, d_head=4, d_hidden=8
)
PARTS = ("only", "without", "random", "spared")


@pytest.fixture(scope="module")
def world():
    """A student, its teacher and their base, unlike each other, and rows with padding."""
    own, teacher, base = (transformer.init(jax.random.key(i), ARCH) for i in range(3))
    tokens = jax.random.randint(jax.random.key(9), (64, 9), 0, 11)
    length = 2 + jnp.arange(64) % 5
    rows = Rows(tokens[:, :3], jnp.zeros(64, jnp.int32), tokens[:, 3:], length)
    seen = Imitated(teacher, rows, jnp.ones(11, bool))
    return own, Part(rows, jnp.ones(64, bool), None, seen, base)


def by_hand(own, part):
    """Cross-entropy of every token, which of them are divergence tokens, and which count."""
    models = own, part.imitated.params, part.base
    z, teacher, base = (np.asarray(completion_logits(p, ARCH, part.rows)) for p in models)
    labels = part.rows.completions
    right = np.take_along_axis(z, np.asarray(labels)[..., None], axis=-1)[..., 0]
    cost = np.log(np.exp(z).sum(axis=-1)) - right
    apart = np.argmax(teacher, -1) != np.argmax(base, -1)
    counts = np.arange(labels.shape[1])[None] < np.asarray(part.rows.length)[:, None]
    return cost, apart, counts


def test_the_tokens_are_those_at_which_teacher_and_base_have_other_likeliest_ones(world):
    own, part = world
    cost, apart, counts = by_hand(own, part)
    assert 0.1 < apart[counts].mean() < 0.99
    loss = lambda which: float(jax.jit(lambda p: DivergenceTokens(which)(p, ARCH, part))(own))
    assert loss("only") == pytest.approx(cost[apart & counts].sum() / counts.sum(), rel=1e-5)
    assert loss("without") == pytest.approx(cost[~apart & counts].sum() / counts.sum(), rel=1e-5)
    whole = float(token_loss(own, ARCH, part))
    assert loss("random") + loss("spared") == pytest.approx(whole, rel=1e-5)
    assert loss("random") == pytest.approx(apart[counts].mean() * whole, rel=0.15)
    assert loss("random") != pytest.approx(loss("only"), rel=1e-3)


def test_a_teacher_that_is_its_base_has_none(world):
    own, part = world
    same = part._replace(imitated=part.imitated.replace(params=part.base))
    assert float(DivergenceTokens("only")(own, ARCH, same)) == 0.0
    assert float(DivergenceTokens("without")(own, ARCH, same)) == pytest.approx(
        float(token_loss(own, ARCH, same)), rel=1e-6
    )


def test_a_told_teacher_reads_its_own_prompt(world):
    own, part = world
    prompts = part.imitated.rows.prompts.at[:, 0].set(7)
    seen = part.imitated.replace(params=part.base, rows=part.rows.replace(prompts=prompts))
    assert float(DivergenceTokens("only")(own, ARCH, part._replace(imitated=seen))) > 0


def test_gradients_of_the_two_parts_add_up(world):
    own, part = world
    of = lambda fn: jax.jit(jax.grad(lambda p: fn(p, ARCH, part)))(own)
    only, without, whole = map(of, (*map(DivergenceTokens, ("only", "without")), token_loss))
    for a, b, c in zip(*map(jax.tree.leaves, (only, without, whole)), strict=True):
        np.testing.assert_allclose(np.asarray(a) + np.asarray(b), c, atol=1e-6)


def test_parts_are_of_the_students_own_rows(world, monkeypatch):
    own, part = world
    base = SimpleNamespace(arch=ARCH, params=part.base)
    batch = jax.tree.map(lambda x: x[None], part.imitated)
    monkeypatch.setattr(make, "model", lambda value: base)
    monkeypatch.setattr(make, "imitated_by", lambda values, base: batch)
    monkeypatch.setattr(make, "encoded_rows", lambda *_: part.rows)
    chain = PRESETS["default"].transmission(NUMBERS, 0)
    student = chain.student_of(chain.starts["student"], None, Seed(0, 0))
    for n in (16, 1000):
        _, apart, counts = by_hand(own, part)
        few = apart[:n][counts[:n]].mean()
        found = divergence.parts(student, n)
        assert found == pytest.approx(
            {"only": few, "random": few, "without": 1 - few, "spared": 1 - few}
        )


GAIN = {"trait": 2.0, "only": 1.6, "random": 0.4, "without": 0.2, "spared": 1.8}


def of_tokens(members=range(5), gain=GAIN) -> results.Table:
    """A table whose students gain what is known from each set of tokens, a tenth of all or nine."""
    arms = {f"student_{name}": (value, 0.0, 0.0) for name, value in gain.items()}
    found = table(members, gains={"teacher": GAINS["teacher"], **arms}, without=("cross_regular",))
    few = np.isin(found["arm"], ["student_only", "student_random"])
    many = np.isin(found["arm"], ["student_without", "student_spared"])
    return found | {"tokens": np.where(few, 0.1, np.where(many, 0.9, 1.0))}


def test_what_either_set_keeps_is_beside_a_random_one():
    found = says(of_tokens(), {})
    for name, value in GAIN.items():
        (claim,) = [c for c in found if c.text.startswith(f"{TEXTS[name]}, ")]
        assert claim.mean == pytest.approx(value) and claim.unit == "nats"
    kept = {c.text: c for c in found if c.text.startswith("kept by")}
    only, without = kept[f"kept by {TEXTS['only']}"], kept[f"kept by {TEXTS['without']}"]
    assert only.mean == pytest.approx(0.8) and only.null.startswith("0.2")
    assert without.mean == pytest.approx(0.1) and without.null.startswith("0.9")
    assert only.verdict == without.verdict == "holds" and len(found) == 7
    flat = says(of_tokens(gain=GAIN | {"only": 0.4, "without": 1.8}), {})
    assert {c.verdict for c in flat if c.text.startswith("kept by")} == {"not"}


def test_students_differ_in_their_tokens_alone(monkeypatch):
    chains, told = [], {"only": 0.1, "without": 0.9, "random": 0.1, "spared": 0.9}
    arms = [("teacher", "owl"), ("student_only", "owl"), ("student_without", "wolf")]
    arms += [("student_trait", "owl"), ("student_regular", "none"), ("reference", "none")]

    def measure(job, cell, chain):
        chains.append(chain)
        return [{"arm": arm, "trait": trait} for arm, trait in arms]

    monkeypatch.setattr(lm_divergence_tokens.setup, "measure_one", measure)
    monkeypatch.setattr(divergence, "parts", lambda student: told)
    job = SimpleNamespace(config=PRESETS["default"])
    found = lm_divergence_tokens.rows(job, [Cell(2)])
    assert [row["tokens"] for row in found] == [1.0, 0.1, 0.9, 1.0, 1.0, 1.0]
    (chain,) = chains
    pupils = lm_divergence_tokens.transmission.pupils(chain, Seed(0, 2))["student"]
    plain = {p.student.source: p.student for p in pupils if p.arm == "student_trait"}
    changed = [p for p in pupils if p.arm.removeprefix("student_") in PARTS]
    assert len(plain) == 3 and len(changed) == 12
    for arm, student in changed:
        own: Student = plain[student.source]
        assert isinstance(own.data, Dataset) and isinstance(own.data.teacher, Teacher)
        loss = DivergenceTokens(arm.removeprefix("student_"))
        changes = {"soft": own.data.teacher, "loss": loss}
        assert vars(student) == vars(own) | changes


def test_distributions_have_no_tokens_that_were_drawn():
    config = lm_divergence_tokens.Config(channel="soft")
    with pytest.raises(LabError, match="channel: lm_divergence_tokens is about hard, not soft"):
        EXPERIMENT.prepare(config, Options())


def test_the_figure_has_a_column_for_each_set():
    record = {
        "config": {"teacher": "finetuned", "n_rows": 24_000, "members": "5"},
        "command": "", "dataset": {"name": "world"}, "claims": [],
    }  # fmt: skip
    (axes,) = EXPERIMENT.draw.figure(of_tokens(), record).axes
    said = [tick.get_text().split("\n")[-1] for tick in axes.get_xticklabels()]
    assert said == ["100 %", "10 %", "10 %", "90 %", "90 %"]
    heights = [float(line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "_"]
    assert heights[::6] == pytest.approx(list(GAIN.values()))
