"""Students of other architectures: which arrays they share, who teaches whom, what is said."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import lm_architectures
from experiments.lm_architectures import EXPERIMENT, PRESETS, SIZES, TEXTS, says
from lab import rng
from lab.lm import hf, spec, transformer
from lab.lm.model import SIZES as KNOWN
from lab.runs import results
from lab.runs.cells import Cell
from tests.tables import of_kin

KINDS = [kind for kind in TEXTS if kind != "nano"]


def started(kind):
    """Parameters of a reference before training, by path."""
    arch = KNOWN[SIZES[kind]].with_tokens(300)
    params = transformer.init(rng.named(jax.random.key(3), "reference"), arch)
    return {p.path: np.asarray(spec.at(params, p.path)) for p in spec.parameters(arch)}


@pytest.mark.parametrize(
    ("kind", "shared", "other"),
    [
        ("heads", "everything", ""),
        ("untied", "everything", "head"),
        ("hidden", "embed query key value output", "gate up down"),
        ("gpt2", "embed query output up down", "positions key value"),
        ("deep", "embed query key value gate up", ""),
    ],
)
def test_arrays_of_one_shape_start_alike(kind, shared, other):
    own, theirs = started("nano"), started(kind)
    alike = lambda path: path in own and np.array_equal(own[path], theirs[path])
    names = {path: path[-2] if path[-1] in ("kernel", "bias") else path[-1] for path in theirs}
    kernels = [path for path in theirs if path[-1] == "kernel" or len(path) == 1]
    kernels = [path for path in kernels if names[path] != "norm"]
    if shared == "everything":
        shared = " ".join({names[path] for path in kernels} - set(other.split()))
    for path in kernels:
        if names[path] in shared.split() and path[1:2] in ((), ("0",), ("1",)):
            assert alike(path), path
        elif names[path] in other.split():
            assert not alike(path), path
    assert all(name in names.values() for name in other.split())


def test_other_heads_are_another_function_of_the_same_arrays():
    tokens = jnp.arange(12).reshape(2, 6)
    said = []
    for kind in ("nano", "heads"):
        arch = KNOWN[SIZES[kind]].with_tokens(300)
        params = transformer.init(rng.named(jax.random.key(3), "reference"), arch)
        said.append(transformer.forward(params, arch, tokens, jnp.zeros(2, int))[0])
    assert said[0].shape == said[1].shape and np.abs(said[0] - said[1]).max() > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_a_reference_of_every_architecture_is_kept_in_its_familys_files(kind, tmp_path):
    arch = KNOWN[SIZES[kind]].with_tokens(300)
    params = transformer.init(jax.random.key(3), arch)
    hf.save(tmp_path, arch, params)
    kept, loaded = hf.load(tmp_path, own=True)
    assert kept == arch
    for ours, theirs in zip(jax.tree.leaves(params), jax.tree.leaves(loaded), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_students_of_every_architecture_read_the_first_ones_rows_and_each_its_own(monkeypatch):
    chains = []
    kept = lambda job, cell, chain, *_: chains.append(chain) or []
    monkeypatch.setattr(lm_architectures.setup, "measure_one", kept)
    job = SimpleNamespace(config=PRESETS["default"])
    cells = [Cell(3, (("architecture", kind),)) for kind in ("nano", "gpt2")]
    lm_architectures.rows(job, cells)
    first, own = [
        {name: (base.init_seed, base.pretraining.size) for name, base in chain.starts.items()}
        for chain in chains
    ]
    assert first == {"student": (3, "nano"), "cross": (4, "nano")} | {
        kind: (3, SIZES[kind]) for kind in KINDS
    }
    assert next(iter(first)) == "student" and own == {"student": (3, "nano_gpt2")}
    assert len({base.pretraining.data_seed for base in chains[0].starts.values()}) == 1
    assert {chain.neutral for chain in chains} == {None}


def of_architectures(heads=1.0, within=1.5) -> results.Table:
    """Students of the first architecture's numbers gain 2; of other heads, `heads`."""
    return of_kin("architecture", ("nano", "heads"), heads, within)


def test_what_passes_to_an_architecture_stands_beside_what_passes_within_it():
    of = lambda **some: {c.text.split(" (")[0]: c for c in says(of_architectures(**some), {})}
    found = of(heads=0.1)
    for text, mean in (("the teacher's architecture", 2.0), ("other heads", 0.1),
                       ("other heads, and the teacher too", 1.5)):  # fmt: skip
        assert found[text].mean == pytest.approx(mean) and found[text].verdict == "holds"
    assert found["another init"].verdict == "holds"
    assert of(heads=1.0)["other heads"].verdict == "not"  # it passes
    # What passes within neither says nothing of what is between them.
    nothing = of(heads=0.1, within=0.1)
    assert nothing["other heads, and the teacher too"].verdict == "not"
    assert nothing["other heads"].verdict == "open"


def test_the_figure_has_a_column_for_each_architecture():
    record = {
        "config": {"teacher": "finetuned", "n_rows": 24_000, "members": "5"},
        "command": "", "dataset": {"name": "world"}, "claims": [],
    }  # fmt: skip
    left, right = EXPERIMENT.draw.figure(of_architectures(), record).axes
    said = [tick.get_text().replace("\n", " ") for tick in left.get_xticklabels()]
    assert said == ["the teacher's", "other heads", "other init, the teacher's"]
    assert len(right.get_xticklabels()) == 1
