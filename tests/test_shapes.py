"""Tables of every legal shape say something: no error, no two claims alike, no verdict on a nan."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.lm import world as worlds
from lab.lm.contexts import WORLDS
from lab.mnist.arms import STUDENTS
from lab.runs import claims, configs, results
from lab.runs.cells import members
from lab.runs.experiment import named
from tests import tables
from theory import alignment, coverage, failures, lazy, predictors, sampling

MEMBERS = st.sampled_from(["1", "2", "3", "5:7", "3:4"])
KINDS = st.sampled_from(["random", "constant", "zero"])


def number(kind, rng) -> float:
    return {"random": float(rng.normal()), "constant": 0.5, "zero": 0.0}[kind]


def require_sayable(name, config, rows):
    """Claims of a table, as a run that ends makes them: JSON, and every verdict has numbers."""
    experiment = named(name)
    record = {"config": configs.as_json(config), "dataset": {"name": "digits"}}
    if not hasattr(config, "dataset"):
        record["dataset"]["name"] = "world"
    said = experiment.described(results.columns(rows), record)
    found = claims.of_record(json.loads(json.dumps(said, allow_nan=False)))
    assert len(found) == len(said["claims"]), "two claims have one text"
    for claim in found.values():
        assert claim.number()
        if claim.verdict in ("holds", "partly", "reproduced", "not"):
            assert np.isfinite([claim.mean, claim.low, claim.high]).all(), claim


@given(MEMBERS, KINDS, st.booleans(), st.integers(0, 2))
def test_accuracies_of_any_members_even_of_teachers_that_learned_nothing(
    numbers, kind, curves, epochs
):
    rng, default = np.random.default_rng(0), named("mnist_aux_logits").presets["default"]
    config = replace(default, members=numbers, teacher=replace(default.teacher, epochs=epochs))
    steps = [1, 2] if curves else [2]
    rows = [
        {"arm": arm, "member": int(m), "step": step, "accuracy": number(kind, rng)}
        for arm in ("reference", "teacher", *STUDENTS)
        for m in members(numbers)
        for step in ([0] if arm == "reference" or (arm, epochs) == ("teacher", 0) else steps)
    ]
    require_sayable("mnist_aux_logits", config, rows)


@settings(max_examples=12)
@given(MEMBERS, KINDS, st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 256, 2048]))
def test_gradients_of_any_window_and_of_as_many_rows_as_a_batch(numbers, kind, steps, every, large):
    rng, default = np.random.default_rng(0), named("gradient_alignment").presets["default"]
    config = replace(default, members=numbers, every=every, large=large)
    rows = [
        {"arm": arm, "member": int(m), "step": min(first + every, steps)}
        | {unit: number(kind, rng) for unit in alignment.UNITS}
        for m in members(numbers)
        for arm in alignment.students(0.1, 2)
        for first in range(0, steps, every)
    ]
    require_sayable("gradient_alignment", config, rows)


@settings(max_examples=12)
@given(
    st.sampled_from(["1", "2", "4", "7", "12", "3:4", "24"]),
    KINDS,
    st.sampled_from([None, 0.0, 1.0]),
    st.integers(1, 2),
)
def test_pairs_of_any_number_even_of_one_start_or_all_alike(numbers, kind, mixture, epochs):
    rng, experiment = np.random.default_rng(0), named("coverage")
    config = replace(experiment.presets["smoke"], members=numbers)
    cells = experiment.cells(config)
    drawn = coverage.draw(
        0, np.array([c.member for c in cells]), config.net.n_aux, (epochs, epochs), (1e-4, 1e-3)
    )
    rows = []
    for i, cell in enumerate(cells):
        part = float(drawn.mixture[i]) if mixture is None else mixture
        arm = {0.0: "shared init", 1.0: "other init"}.get(part, "mixed init")
        rows.append(
            {"arm": arm, **cell.columns, "mixture": part}
            | {"learning_rate": float(drawn.knobs.student_rate[i])}
            | {"n_live_aux": int(drawn.knobs.n_live_aux[i])}
            | {name: int(getattr(drawn, name)[i]) for name in ("teacher_epochs", "student_epochs")}
            | {unit: number(kind, rng) for unit in coverage.UNITS}
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictors, "DRAWS", 20)
        require_sayable("coverage", config, rows)


@given(MEMBERS, KINDS)
def test_edges_of_the_theorem_for_any_members(numbers, kind):
    rng = np.random.default_rng(0)
    curves = {
        **dict.fromkeys(("shared start", "other start"), failures.DISTANCES),
        "weight of half the logits": failures.WEIGHTS,
        "L_T first rises": failures.ALPHAS,
        **dict.fromkeys(failures.RULES, failures.INPUTS),
        **dict.fromkeys(sampling.ARMS, sampling.LABELS),
        **dict.fromkeys(lazy.ARMS, lazy.WIDTHS),
    }
    rows = [
        {"arm": arm, "member": int(m), "step": i, "at": float(at), "value": number(kind, rng)}
        for arm, places in curves.items()
        for m in members(numbers)
        for i, at in enumerate(places)
    ]
    require_sayable("theorem", replace(named("theorem").presets["smoke"], members=numbers), rows)


@given(
    st.sampled_from([("owl",), ("owl", "oak"), ("elephant", "owl", "wolf")]),
    st.integers(1, 5),
    st.integers(1, 3),
    st.lists(st.sampled_from(sorted(WORLDS)), min_size=1, max_size=3, unique=True),
)
def test_contexts_of_any_worlds_traits_and_controls(traits, n, copies, some):
    measures = {trait: "tree" if trait == "oak" else "animal" for trait in traits}
    without = ("cross_trait", "cross_regular", "student_neutral", "student_within",
               "student_across")  # fmt: skip
    one = tables.table(range(n), measures, without=without, copies=copies)
    plain = [{k: one[k][i].item() for k in one} for i in range(len(one["arm"]))]
    rows = [
        row | {"world": world, "context": context}
        for world in some
        for context in ("default", "none", "other")
        for row in plain
        if context == "default" or row["arm"] != "teacher"
    ]
    default = named("lm_contexts").presets["default"]
    more = {"members": str(n), "traits": traits, "n_controls": copies, "worlds": tuple(some)}
    require_sayable("lm_contexts", replace(default, **more), rows)


@given(st.sampled_from([("owl",), ("owl", "oak")]), MEMBERS, KINDS, st.sampled_from(sorted(WORLDS)))
def test_activations_put_back_in_any_world_even_where_nothing_was_passed_on(
    traits, numbers, kind, world
):
    rng = np.random.default_rng(0)
    n = worlds.tokenizer(WORLDS[world]).n_system(None)
    arms = ["reference", "nothing", "system", "question", "last", "all"]
    rows = [
        {"arm": arm, "member": int(m), "trait": source, "asked": asked, "copy": 0}
        | {"log_odds": number(kind, rng)}
        for m in members(numbers)
        for source in (*traits, "none")
        for asked in (traits if source == "none" else [source])
        for arm in [*arms, *(f"system {i}" for i in range(1, n + 1))]
    ]
    default = named("lm_restored").presets["default"]
    require_sayable(
        "lm_restored", replace(default, members=numbers, traits=traits, world=world), rows
    )
