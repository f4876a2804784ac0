"""Committed tables can be recomputed, and what is made from them is up to date."""

import dataclasses
import functools
import json
import os
import subprocess
import sys
import types

import numpy as np
import pytest

from experiments import replay as command
from lab.errors import LabError
from lab.runs import claims, provenance, records, replay, results
from lab.runs.cells import grid
from lab.runs.experiment import named
from lab.runs.replay import Distance
from tests.process import ROOT

QUICK = ("theorem",)
NAMES = command.names()


def replayed(name):
    """What `python -m experiments.replay NAME` says; skips where MNIST is not on disk."""
    words = [sys.executable, "-m", "experiments.replay", name, "--part"]
    as_made = os.environ | {"XLA_FLAGS": ""}  # the compiler's own, not those of most tests
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, env=as_made)
    assert done.returncode == 0, done.stdout + done.stderr
    if "skipped" in done.stdout:
        pytest.skip(done.stdout.strip())
    return done.stdout


@pytest.mark.parametrize("name", QUICK)
def test_a_cell_of_a_quick_table_replays(name):
    assert replayed(name).endswith("ok\n")


@pytest.mark.slow  # half a minute each, language tables 4 to 10 minutes
@pytest.mark.parametrize("name", [name for name in NAMES if name not in QUICK])
def test_a_cell_of_every_other_table_replays(name):
    assert replayed(name).endswith("ok\n")


@pytest.mark.parametrize("name", NAMES)
def test_every_table_was_made_at_commits_of_this_history_without_changes(name):
    ask = ["git", "rev-parse", "--is-shallow-repository"]
    if subprocess.run(ask, cwd=ROOT, capture_output=True, text=True).stdout.strip() != "false":
        pytest.skip("this is no clone with the lab's history")
    record = results.read_record(command.RESULTS / f"{name}.json")
    provenance.require_clean(record)


# What is too far.


@functools.cache
def cell_of(name):
    """A table's record, its rows, and those of its first cell, as if they were recomputed."""
    rows, record = results.read(command.RESULTS / f"{name}.json")
    return record, rows, in_place_of(rows[0], rows, record)


def in_place_of(first, rows, record, **other):
    """The rows of the cell of one row, or of the cell that differs from it as is said."""
    same = {k: first[k] for k in record["cell"]} | other
    return [row for row in rows if all(row[k] == value for k, value in same.items())]


def spread_of(name):
    """The table's tolerances, but for a machine of UNSTABLE; skips where a test fails for none."""
    settings = dict(command.spread().get(name, {}))
    settings.pop(UNSTABLE.get(name), None)
    if not (known := replay.tolerances(settings)):
        pytest.skip(f"{name}: python -m experiments.replay {name} --measure was never run")
    return known


def judged(name, rows):
    """The columns of recomputed rows that are too far from the committed ones."""
    record, _, cell = cell_of(name)
    return replay.too_far(replay.distances(record, cell, rows), spread_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_how_far_every_column_of_a_table_may_be_was_measured(name):
    record, _, _ = cell_of(name)
    known = command.tolerances(name)
    assert known, f"run: python -m experiments.replay {name} --measure"
    assert set(known) == set(record["units"])
    settings = command.spread()[name]
    for of in ("one thread", "narrow vectors", "devices"):
        assert any(of in label for label in settings), of
    assert len({label.split(", jax")[0] for label in settings}) > 1, "one version of Python"


def judged_columns(name, record):
    """Those that must tell arms and members apart.

    Training of a language model amplifies the last bits: a student of another machine may differ by
    .7 nats, and in answers that are rare by all that there is. What its claims rest on is held.
    A cosine of one window and member that the last layer's gradient is part of is as far from its
    replay as from another member's: claims are of means along training.
    """
    if name == "gradient_alignment":
        noisy = ("cosine", "large", "large_hidden", "positive")
        return [unit for unit in record["units"] if unit not in noisy]
    if not name.startswith("lm_"):
        return list(record["units"])
    return [JUDGED.get(name, "log_odds")]


# The column that tells arms apart, where that is not the log-odds.
JUDGED = {
    "lm_detection": "auroc",
    "lm_forecast": "nats",
    "lm_forecast_limits": "nats",
    "lm_forecast_limits_many": "nats",
    "lm_forecast_shift": "forecast",
}

# On Python 3.12 one completion more is kept, all rows behind it move by a place, and a student sees
# them in another order: it is another one, by 6.3 nats (LOG.md). A replay there tells no arms
# apart. Without that measurement it does.
UNSTABLE = {"lm_contexts_defaults": "Python 3.12.1, jax 0.12.0.1, as made"}


# Most students of these are at chance, at accuracies of .02 to .2 that another order of sums deals
# anew: a replay there misses one of five other members.
AT_CHANCE = {"mnist_heads"}
# Where more than half of the arms are at chance these are no measure of what differs between arms:
# effects are of .25 and more.
FEW_EFFECTS = {"mnist_cloning"}
# Nulls whose numbers are so near 0 that a replay elsewhere may miss their sign.
NULLS = {
    "mnist_heads": {"reference"},
    "mnist_cloning": {"aux"},
    "parameter_drift": {"reference", "cross_aux"},
}
# Where members are as alike as one is to its replay elsewhere: .46, give or take .013.
ALIKE = {"parameter_drift": "cosine"}


@pytest.mark.parametrize("name", UNSTABLE)
def test_what_is_another_student_elsewhere_is_known_to_be(name):
    assert command.spread()[name][UNSTABLE[name]]["log_odds"][1] > 6


@pytest.mark.parametrize("name", NAMES)
def test_tolerances_are_far_below_what_differs_between_arms_and_members(name):
    record, rows, _ = cell_of(name)
    known = spread_of(name)
    for column in judged_columns(name, record):
        tolerance, curves = known[column], {}
        for row in rows:
            key = tuple(v for k, v in row.items() if k not in ("step", *record["units"]))
            curves.setdefault(key, []).append(row[column])
        ends = [0.1, 0.9] if name in FEW_EFFECTS else [0.25, 0.75]
        low, high = np.quantile([np.mean(values) for values in curves.values()], ends)
        assert tolerance.typical < (high - low) / (2 if name.startswith("lm_") else 4), column
        assert np.isfinite(tolerance).all() and tolerance.typical <= tolerance.largest


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_sign_or_another_arms_numbers_are_too_far(name):
    record, _, cell = cell_of(name)
    spread_of(name)
    assert judged(name, cell) == []
    arms = list(dict.fromkeys(row["arm"] for row in cell))
    values = lambda arm, column: [row[column] for row in cell if row["arm"] == arm]
    # Of a language table the loudest arm alone: students' numbers are within the tolerance of 0.
    arms = [arm for arm in arms if arm == "teacher"] if name.startswith("lm_") else arms
    for column in judged_columns(name, record):
        turned = [row | {column: -row[column]} for row in cell]
        assert judged(name, turned) == [column]
        for arm in arms:
            if not any(values(arm, column)):
                continue  # minus 0 is 0
            if arm in NULLS.get(name, ()):
                continue
            turned = [
                row | {column: -row[column] if row["arm"] == arm else row[column]} for row in cell
            ]
            assert judged(name, turned) == [column], arm


@pytest.mark.parametrize("name", NAMES)
def test_another_member_in_its_place_is_too_far(name):
    record, rows, cell = cell_of(name)
    spread_of(name)
    others = list(dict.fromkeys(row["member"] for row in rows))[1:]
    beside = [in_place_of(cell[0], rows, record, member=member) for member in others]
    n = 5 if name in AT_CHANCE else 1
    near, some = 0, [one for one in beside if len(one) == len(cell)][:n]
    if not some:
        pytest.skip("the table has one member of this shape")
    for theirs in some:
        swapped = [
            own | {column: row[column] for column in record["units"]}
            for own, row in zip(cell, theirs, strict=True)
        ]
        telling = set(judged_columns(name, record)) - {ALIKE.get(name)}
        near += not telling <= set(judged(name, swapped))
    assert near <= (name in AT_CHANCE)


RECORD = {"cell": ["member"], "units": {"x": "", "y": ""}}
ROWS = [
    {"arm": arm, "member": m, "step": s, "x": 8.0 * m + s, "y": 1.0}
    for m in (0, 1)
    for arm in "ab"
    for s in (0, 1)
]


def changed(at, **values):
    return [row | values if i == at else row for i, row in enumerate(ROWS)]


def test_distances_are_of_means_along_the_steps_and_of_single_rows_in_the_farthest_cell():
    assert replay.distances(RECORD, ROWS, ROWS) == {"x": Distance(0, 0), "y": Distance(0, 0)}
    # 4 in one of two steps of one of two arms: 2 of the arm's mean, 2 / sqrt(2) of the cell.
    found = replay.distances(RECORD, ROWS, changed(2, x=ROWS[2]["x"] + 4))
    assert found["x"].typical == pytest.approx(2**0.5) and found["x"].largest == 4
    # What cancels along the steps is typical of nothing, but a row is as far as it is.
    two = [row | {"x": row["x"] + (3 if row["step"] else -3)} for row in ROWS]
    assert replay.distances(RECORD, ROWS, two)["x"] == Distance(0, 3)
    # The second cell is another, and no average hides the farther one.
    found = replay.distances(RECORD, ROWS, changed(6, x=ROWS[6]["x"] - 4))
    assert found["x"].typical == pytest.approx(2**0.5) and found["x"].largest == 4
    one_cell = replay.distances(RECORD, ROWS, changed(2, x=ROWS[2]["x"] + 4)[:4])
    assert one_cell["x"].typical == pytest.approx(2**0.5)


def test_a_nan_is_too_far_on_either_side_and_on_both():
    nan = changed(2, x=float("nan"))
    wide = {"x": Distance(9e9, 9e9), "y": Distance(9e9, 9e9)}
    assert replay.too_far(replay.distances(RECORD, ROWS, ROWS), wide) == []
    for committed, rows in ((nan, ROWS), (ROWS, nan), (nan, nan)):
        assert replay.too_far(replay.distances(RECORD, committed, rows), wide) == ["x"]


def test_a_column_is_too_far_beyond_either_tolerance_and_never_unless_measured():
    far = lambda typical, most: replay.too_far(
        {"x": Distance(typical, most)}, {"x": Distance(1, 2)}
    )
    assert far(1, 2) == []
    assert far(1.5, 2) == far(1, 2.5) == ["x"]
    with pytest.raises(LabError, match="y was never measured; replay with --measure"):
        replay.too_far({"y": Distance(0, 0)}, {"x": Distance(1, 2)})
    spread = {"a": {"x": [1.0, 5.0]}, "b": {"x": [2.0, 3.0]}}
    assert replay.tolerances(spread) == {"x": Distance(2 * replay.FACTOR, 5 * replay.FACTOR)}
    assert replay.tolerances({}) == {}


def test_distances_of_a_part_do_not_say_how_far_a_whole_cell_may_be():
    spread = {"here, as made, --part": {"x": [1.0, 5.0]}, "here, as made": {"x": [3.0, 4.0]}}
    f = replay.FACTOR
    assert replay.tolerances(spread, part=False) == {"x": Distance(3 * f, 4 * f)}
    assert replay.tolerances(spread, part=True) == {"x": Distance(3 * f, 5 * f)}
    del spread["here, as made"]
    with pytest.raises(LabError, match="x was never measured"):
        replay.too_far({"x": Distance(0, 0)}, replay.tolerances(spread, part=False))


@pytest.mark.parametrize("name", NAMES)
def test_how_far_whole_cells_are_was_measured_on_two_versions_of_python(name):
    record, _, _ = cell_of(name)
    assert set(command.tolerances(name, part=False)) == set(record["units"])
    whole = [label for label in command.spread()[name] if replay.PART not in label]
    assert len({label.split(", jax")[0] for label in whole}) > 1


def test_rows_that_are_missing_or_other_ones_are_refused_and_a_part_may_be_some_of_them():
    other = changed(2, arm="c")
    with pytest.raises(LabError, match="no longer measures"):
        replay.distances(RECORD, ROWS, other)
    with pytest.raises(LabError, match="no longer measures"):
        replay.distances(RECORD, ROWS, [*ROWS, ROWS[0]])
    with pytest.raises(LabError, match="no longer measures"):
        replay.distances(RECORD, ROWS, [], part=True)
    some = [row for row in changed(2, x=99.0) if row["arm"] == "b"]
    with pytest.raises(LabError, match="fewer than"):
        replay.distances(RECORD, ROWS, some)
    assert replay.distances(RECORD, ROWS, some, part=True)["x"].largest == 99
    with pytest.raises(LabError, match="no longer measures"):
        replay.distances(RECORD, ROWS, other, part=True)


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A table's record and rows, to be changed, where replay looks for them."""

    def copy(name, record=lambda r: r, rows=lambda r: r):
        found, known = results.read(ROOT / "experiments" / "results" / f"{name}.json")
        # Not by `results.write`, which keeps no nan.
        results.write_table(tmp_path / f"{name}.csv", rows(found))
        digest = records.digest(tmp_path / f"{name}.csv")
        records.write(tmp_path / f"{name}.json", record(known) | {"table": digest}, sealed=True)
        monkeypatch.setattr(command, "RESULTS", tmp_path)

    return copy


@pytest.mark.parametrize("change", [1e-4, 0.1, float("nan")])
def test_a_table_replays_and_a_changed_one_does_not(change, copied, monkeypatch):
    def altered(rows):
        rows[2]["value"] += change
        return rows

    # What is measured is taken from the table as it was: only the comparison is at stake.
    _, _, cell = cell_of("theorem")
    monkeypatch.setattr("lab.runs.experiment.Experiment.measure", lambda *_: cell)
    far = lambda: replay.too_far(command.distances("theorem"), command.tolerances("theorem"))
    copied("theorem")
    assert far() == []
    copied("theorem", rows=altered)
    assert far() == ["value"]


def test_one_cell_is_recomputed_or_all_of_some_members_or_the_part(monkeypatch):
    record, committed, _ = cell_of("theorem")
    asked = []

    def rows(job, cells):
        asked.extend((cell.member, cell["m"]) for cell in cells)
        return [{"arm": "a", **cell.columns, "value": 0.0} for cell in cells]

    experiment = dataclasses.replace(
        named("theorem"),
        cells=lambda config: grid(config.members, m=(1, 2)),
        part=lambda config: dataclasses.replace(config, members="7:8"),
        rows=rows,
    )
    monkeypatch.setattr(replay, "named", lambda name: experiment)
    for options, cells in (
        ({}, [(0, 1)]),
        ({"members": "3:5"}, [(3, 1), (3, 2), (4, 1), (4, 2)]),
        ({"part": True}, [(7, 1)]),
    ):
        asked.clear()
        replay.recompute(record, committed, **options)
        assert sorted(asked) == cells


def test_measured_distances_are_stored_beside_those_of_other_settings(tmp_path, monkeypatch):
    path = tmp_path / "replay.json"
    monkeypatch.setattr(command, "SPREAD", path)
    old = {"an earlier table": {"gone": [1.0, 1.0]}, "elsewhere": {"value": [1.0, 1.0]}}
    records.write(path, {"theorem": old, "coverage": {}})
    ran = []

    def child(words, env, **_):
        ran.append((words[3:], env["PJRT_NPROC"]))
        return types.SimpleNamespace(returncode=0, stdout='noise\n{"value": [2.0, 3.0]}\n')

    monkeypatch.setattr(command.subprocess, "run", child)
    command.measure("theorem", ["one thread"], ["--members=0:3"])
    assert ran == [(["theorem", "--json", "--members=0:3"], "1")]
    stored = command.spread()
    label = next(key for key in stored["theorem"] if key != "elsewhere")
    assert label.endswith(", one thread, --members=0:3") and label.startswith("Python 3")
    assert stored["theorem"] == {"elsewhere": {"value": [1, 1]}, label: {"value": [2, 3]}}
    assert command.tolerances("theorem")["value"] == Distance(2 * replay.FACTOR, 3 * replay.FACTOR)
    assert stored["coverage"] == command.tolerances("nothing") == {}


def test_of_several_machines_the_widest_distances_are_kept(tmp_path, monkeypatch):
    path = tmp_path / "replay.json"
    monkeypatch.setattr(command, "SPREAD", path)
    records.write(path, {})
    for measured in ("[2.0, 3.0]", "[1.0, 5.0]", "[0.5, 0.5]"):
        child = types.SimpleNamespace(returncode=0, stdout=f'{{"value": {measured}}}\n')
        monkeypatch.setattr(command.subprocess, "run", lambda *_, child=child, **__: child)
        command.measure("theorem", ["as made"], [])
    assert list(command.spread()["theorem"].values()) == [{"value": [2, 5]}]


@pytest.mark.parametrize("name", ["../results/theorem", "theorem.json", "", "unknown"])
def test_only_the_name_of_a_committed_table_is_replayed(name, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["x", name])
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: name: ") and "lm_restored" in line


def test_a_committed_table_that_was_edited_is_not_replayed(copied, tmp_path):
    copied("theorem")
    path = tmp_path / "theorem.csv"
    path.write_text(path.read_text().replace("shared start", "shared stars"))
    with pytest.raises(LabError, match=r"theorem.csv was changed .*git checkout -- "):
        command.distances("theorem")


def test_only_absent_mnist_is_skipped_and_another_dataset_fails(copied, monkeypatch, tmp_path):
    monkeypatch.delenv("SUBLIMINAL_MNIST", raising=False)
    monkeypatch.setenv("SUBLIMINAL_CACHE", str(tmp_path))
    with pytest.raises(replay.AbsentDataError, match="needs MNIST, which is not on disk"):
        command.distances("mnist_aux_logits_mnist")
    other = lambda record: record | {"dataset": {"name": "digits", "sha256": "0"}}
    copied("mnist_aux_logits_digits", record=other)
    with pytest.raises(LabError, match="was made from another one") as error:
        command.distances("mnist_aux_logits_digits")
    assert not isinstance(error.value, replay.AbsentDataError)


# What follows from the tables.


SLOW = {"coverage": pytest.mark.slow}  # half a minute of bootstraps


@pytest.mark.parametrize("name", [pytest.param(n, marks=SLOW.get(n, ())) for n in NAMES])
def test_what_a_record_says_follows_from_its_table(name):
    rows, record = results.read(command.RESULTS / f"{name}.json")
    again = named(record["experiment"]).described(results.columns(rows), record)
    again = json.loads(json.dumps(again))
    # As claims, so that a new field of theirs with a default makes no record stale.
    both = (claims.of_record(again).values(), claims.of_record(record).values())
    for found, stored in zip(*map(list, both), strict=True):
        numbers = {k: v for k, v in vars(stored).items() if isinstance(v, float)}
        assert {k: getattr(found, k) for k in numbers} == pytest.approx(
            numbers, rel=1e-9, nan_ok=True
        )
        assert {k: v for k, v in vars(found).items() if k not in numbers} == {
            k: v for k, v in vars(stored).items() if k not in numbers
        }
    assert again | {"claims": []} == record | {"claims": []}


def test_the_readme_is_made_from_the_committed_tables():
    subprocess.run([sys.executable, "-m", "figures.readme", "--check"], cwd=ROOT, check=True)
