"""The smoke preset shows the paper's effect with its controls, and keeps the contract."""

import json

import pytest

from experiments import mnist_aux_logits as experiment
from figures import fig_mnist_aux_logits, style
from lab import cli, distill, results
from lab.run import Run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    config, options = cli.parse(
        experiment.NAME,
        "",
        experiment.PRESETS,
        ["smoke", "--dataset", "digits", "--curves"],
    )
    data, dataset = experiment.prepare(config, options)
    with Run(tmp_path_factory.mktemp("runs"), experiment.NAME, config, dataset) as run:
        run.finish(experiment.main(config, data, run, options))
    return run.folder


def test_students_learn_digits_from_auxiliary_logits_only_with_a_shared_init(folder):
    table = results.read_table(folder / "table.csv")
    found = {e.label: e for e in results.summarise(table, "accuracy", experiment.CONTRASTS)}
    assert found["teacher"].mean > 0.9  # measured: .97
    assert found["student_all"].mean > 0.85  # measured: .96
    assert found["student_aux - cross_aux"].low > 0  # measured: .4
    assert found["student_aux"].mean > 0.3
    assert found["cross_aux"].mean < 0.25  # chance is .1, its spread over nets about .05
    assert found["reference"].mean < 0.25


def test_the_run_folder_holds_what_the_contract_says(folder):
    rows = results.read_rows(folder / "table.csv")
    assert list(rows[0]) == ["arm", "member", "step", "accuracy"]
    assert list(dict.fromkeys(row["arm"] for row in rows)) == list(distill.ARMS)
    assert len(rows) == 4 * (1 + 1 + 4 * 3)  # one teacher epoch, three student epochs
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "complete"
    assert record["dataset"]["name"] == "digits"
    assert record["config"]["members"] == "4"
    assert record["device"]["count"] >= 1
    assert str(folder.parent) not in (folder / "run.json").read_text()


def test_the_figure_is_drawn_from_the_table_alone_and_the_same_each_time(folder, tmp_path):
    first = style.draw(fig_mnist_aux_logits.figure, folder)
    again = style.draw_from(
        fig_mnist_aux_logits.figure, folder / "table.csv", folder / "run.json", tmp_path / "figure"
    )
    assert [path.suffix for path in first] == [".png", ".pdf"]
    for a, b in zip(first, again, strict=True):
        assert a.read_bytes() == b.read_bytes()
