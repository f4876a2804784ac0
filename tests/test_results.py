import numpy as np
import pytest

from lab.errors import LabError
from lab.runs import results
from tests.stored import sitting, store


def rows(members, seed=0):
    draw = np.random.default_rng(seed)
    return [
        {"arm": arm, "member": m, "step": step, "accuracy": float(np.float32(draw.uniform()))}
        for m in members
        for arm in ("a", "b")
        for step in (0, 10)
    ]


def test_a_table_is_read_as_it_was_written(tmp_path):
    written = rows(range(5))
    results.write_table(tmp_path / "t.csv", written)
    assert results.read_rows(tmp_path / "t.csv") == written
    assert not list(tmp_path.glob("*.part"))


def test_summary_takes_the_last_point_of_each_member_and_pairs_contrasts():
    table = results.columns(rows(range(4)))
    final = table["step"] == 10
    a = table["accuracy"][final & (table["arm"] == "a")]
    b = table["accuracy"][final & (table["arm"] == "b")]
    found = results.estimates(table, "accuracy", [("a", "b")])
    assert list(found) == ["a", "b", "a - b"]
    assert found["a"].mean == pytest.approx(a.mean())
    assert found["a - b"].mean == pytest.approx((a - b).mean())
    half = 3.182446 * (a - b).std(ddof=1) / 2  # t of 3 degrees of freedom, four members
    assert found["a - b"].high - found["a - b"].mean == pytest.approx(half, rel=1e-6)
    assert found["a - b"].n == 4


def folder(path, members, commits=("c",), **config):
    known = {"members": "", "dataset": "auto", **config}
    sittings = [sitting(commit) for commit in commits]
    store(path / "run.json", rows(members), config=known, sittings=sittings, hash=path.name)
    return path


def test_sittings_merge_into_one_table(tmp_path):
    parts = [
        folder(tmp_path / "b", range(3, 6), "xy"),
        folder(tmp_path / "a", range(3), "yzx"),
    ]
    merged, record = results.merge(parts)
    assert [row["member"] for row in merged] == sorted(row["member"] for row in merged)
    assert len(merged) == 24
    assert record["config"]["members"] == "6"
    assert not {"command", "claims"} & set(record)  # of the whole, they are yet to be said
    assert [part["hash"] for part in record["folders"]] == ["b", "a"]
    assert sum(part["wall_seconds"] for part in record["folders"]) == 3.0
    # Every commit that anything was made at, once.
    assert record["sittings"] == [sitting(commit) for commit in "xyz"]


def test_a_merged_range_that_begins_later_says_so(tmp_path):
    parts = [folder(tmp_path / "a", [3, 4]), folder(tmp_path / "b", [5])]
    assert results.merge(parts)[1]["config"]["members"] == "3:6"


def test_cells_of_one_member_at_other_points_merge_and_a_cell_twice_does_not(tmp_path):
    # A cell is a member at a point of a grid: the same member at another point is no repetition.
    a, b = folder(tmp_path / "a", range(3)), folder(tmp_path / "b", range(3))
    for path, size in ((a, 1), (b, 2)):
        found = [row | {"size": size} for row in rows(range(3))]
        store(path / "run.json", found, cell=["member", "size"])
    assert len(results.merge([a, b])[0]) == 24
    with pytest.raises(LabError, match="repeats members"):
        results.merge([a, a])


def test_runs_of_other_configurations_or_the_same_members_do_not_merge(tmp_path):
    first = folder(tmp_path / "a", range(3))
    with pytest.raises(LabError, match="differ"):
        results.merge([first, folder(tmp_path / "b", range(3, 6), n_aux=5)])
    with pytest.raises(LabError, match="repeats members"):
        results.merge([first, folder(tmp_path / "c", range(2, 4))])
    with pytest.raises(LabError, match="gaps"):
        results.merge([first, folder(tmp_path / "d", range(4, 6))])
