"""Grids of MNIST students: a smoke preset shows what its experiment is about, with its control."""

from collections import Counter
from dataclasses import replace

import pytest

from experiments import mnist_cnn, mnist_optimizers
from lab.errors import LabError
from lab.mnist import factors, grids, optimizers
from lab.mnist.protocol import Protocol
from lab.runs import claims, cli, configs, results
from lab.runs.experiment import named
from tests import process

# Of each grid, the columns between `member` and `step`.
COLUMNS = {
    "mnist_logits": ["m"],
    "mnist_cloning": ["epochs"],
    "mnist_students": ["student", "inputs"],
    "mnist_optimizers": ["optimizer"],
    "mnist_heads": ["m"],
    "mnist_factors": ["setting"],
    "mnist_cnn": ["shared", "noise"],
}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The run folder of an experiment's smoke preset on digits; run once."""
    folders = {}

    def run(name):
        if name not in folders:
            config, _ = cli.parse(named(name), ["smoke", "--dataset", "digits"])
            folders[name] = process.run_in(tmp_path_factory.mktemp(name), named(name), config)
        return folders[name]

    return run


# Many kinds of students are compiled: up to a minute each. CI runs them, by tests/test_smokes.py.
COMPILED = ("mnist_students", "mnist_optimizers", "mnist_cloning")
SLOW = [pytest.param(n, marks=pytest.mark.slow if n in COMPILED else ()) for n in COLUMNS]


@pytest.mark.parametrize("name", SLOW)
def test_a_grid_has_a_row_for_each_arm_member_and_place(name, smoke):
    rows = results.read_rows(smoke(name) / "table.csv")
    columns = COLUMNS[name]
    assert list(rows[0]) == ["arm", "member", *columns, "step", "accuracy"]
    places = Counter((row["arm"], *(row[c] for c in columns)) for row in rows)
    n_members = len({row["member"] for row in rows})
    assert set(places.values()) == {n_members}
    assert len({tuple(row[c] for c in ("arm", "member", *columns)) for row in rows}) == len(rows)


@pytest.mark.parametrize("name", SLOW)
def test_the_figure_of_a_grid_is_drawn_from_its_table_alone_and_the_same_each_time(
    name, smoke, tmp_path
):
    assert process.drawn_again(smoke(name), named(name), tmp_path)


def said(folder):
    return claims.of_record(results.read_record(folder / "run.json"))


def test_more_logits_bring_a_student_nearer_to_its_teacher_and_one_of_another_init_nowhere(smoke):
    found = said(smoke("mnist_logits"))
    at = [found[f"{m} auxiliary logits, shared init"] for m in (1, 3, 20)]
    assert at[0].mean < at[1].mean < at[2].mean  # measured: .08, .26, .74
    assert at[2].verdict == "holds"
    (other,) = (c for text, c in found.items() if text.startswith("other init"))
    assert abs(other.mean) < 0.08  # measured: .00


def test_a_convolutional_student_needs_both_heads_of_its_teacher(smoke):
    table = results.columns(results.read_rows(smoke("mnist_cnn") / "table.csv"))
    at = {h: grids.estimate(table, "convolutional", shared=h).mean for h in mnist_cnn.HEADS}
    assert at.pop("both heads") > max(at.values()) + 0.1  # measured: .35, at most .11


def test_an_experiment_over_many_settings_refuses_fields_that_one_of_them_does_not_allow():
    with pytest.raises(LabError, match=r"^settings: batch 4096 is not possible .*batch: 4096 "):
        replace(named("mnist_factors").presets["paper"], rows_per_epoch=2_000)


def test_settings_are_the_papers_protocol_but_for_what_they_name():
    config = named("mnist_factors").presets["paper"]
    base = factors.protocol(config, "the paper's")
    assert base == Protocol()
    for name, setting in factors.SETTINGS.items():
        here, arms = factors.protocol(config, name), factors.ARMS[name]
        changed = here != base or setting.off > 0 or bool(setting.arm)
        assert changed == (name != "the paper's"), name
        assert list(arms) == ["student_aux", "cross_aux"]


def test_learning_rates_are_chosen_on_members_that_are_not_reported():
    experiment = named("mnist_optimizers")
    config = replace(experiment.presets["smoke"], members="3", held_out=1, steps=(1.0, 2.0))
    rows = []
    for at, arms in mnist_optimizers.along(config).items():
        first = at in optimizers.rates(at.rpartition(" ")[0], (1.0,))
        # The second rate is better on the member that is held out, and worse on the others.
        values = [0.3, 0.8, 0.82] if first else [0.6, 0.4, 0.42]
        for arm in arms:
            for member, value in enumerate(values if arm == "student_aux" else [0.1] * 3):
                rows.append({"arm": arm, "member": member, "optimizer": at, "accuracy": value})
    record = {"config": configs.as_json(config), "dataset": {"name": "digits"}}
    found = experiment.claims(results.columns(rows), record)
    shared = [claim for claim in found if claim.text.endswith("shared init")]
    assert len(shared) == 7
    assert all(claim.mean == pytest.approx(0.41) and claim.n == 2 for claim in shared)
