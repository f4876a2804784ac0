"""Grids of MNIST students: a smoke preset shows what its experiment is about, with its control."""

import pytest

from lab.runs import claims, cli, results
from lab.runs.experiment import named
from tests import process

COLUMNS = {"mnist_logits": "m"}


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


@pytest.mark.parametrize("name", COLUMNS)
def test_a_grid_has_a_row_for_each_arm_member_and_place(name, smoke):
    rows = results.read_rows(smoke(name) / "table.csv")
    assert list(rows[0]) == ["arm", "member", COLUMNS[name], "step", "accuracy"]
    place = [(row["arm"], row["member"], row[COLUMNS[name]]) for row in rows]
    assert len(set(place)) == len(place)
    n_members = len({member for _, member, _ in place})
    assert all(place.count((arm, 0, at)) * n_members == n_members for arm, _, at in set(place))


@pytest.mark.parametrize("name", COLUMNS)
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
