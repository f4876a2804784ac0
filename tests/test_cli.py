"""Every kind of bad input: one clear line that names the culprit and the remedy, and status 2."""

import json

import pytest

from experiments.mnist_aux_logits import EXPERIMENT
from lab.errors import LabError
from lab.mnist import images
from lab.runs import cli
from tests import process

SMALL = ["smoke", "--dataset", "digits"]


def run_main(monkeypatch, capsys, tmp_path, *args):
    monkeypatch.setattr("sys.argv", ["x", *args, "--out", str(tmp_path / "runs")])
    monkeypatch.delenv(images.VARIABLE, raising=False)
    monkeypatch.setenv("SUBLIMINAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(images, "MIRRORS", ("http://127.0.0.1:9/",))
    with pytest.raises(SystemExit) as stop:
        cli.start(EXPERIMENT)
    return stop.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "culprit"),
    [
        (["nonsense"], "preset"),
        ([*SMALL, "--members", "0"], "members"),
        ([*SMALL, "--members=-3"], "members"),
        ([*SMALL, "--members", "5:5"], "members"),
        ([*SMALL, "--members", "many"], "members"),
        ([*SMALL, "--net.n-aux", "0"], "net.n_aux"),
        ([*SMALL, "--net.hidden", "0"], "net.hidden"),
        ([*SMALL, "--net.hidden", "16", "0"], "net.hidden"),
        ([*SMALL, "--teacher.batch", "0"], "teacher.batch"),
        ([*SMALL, "--student.batch", "0"], "student.batch"),
        ([*SMALL, "--teacher.batch", "1439"], "teacher.batch"),
        ([*SMALL, "--student.batch", "700", "--rows-per-epoch", "600"], "student.batch"),
        ([*SMALL, "--teacher.learning-rate", "0"], "teacher.learning_rate"),
        ([*SMALL, "--student.learning-rate", "inf"], "student.learning_rate"),
        ([*process.TINY, "--student.learning-rate", "1e30"], "learning_rate"),
        ([*SMALL, "--temperature", "0"], "temperature"),
        ([*SMALL, "--teacher.b1", "1"], "teacher.b1"),
        ([*SMALL, "--student.eps", "0"], "student.eps"),
        ([*SMALL, "--rows-per-epoch", "0"], "rows_per_epoch"),
        ([*SMALL, "--teacher.epochs=-1"], "teacher.epochs"),
        ([*SMALL, "--student.epochs", "0"], "student.epochs"),
        ([*SMALL, "--seed=-1"], "seed"),
        ([*SMALL, "--group", "0"], "group"),
        ([*SMALL, "--seed", "4294967296"], "seed"),
        ([*SMALL, "--members", "5000000000"], "members"),
        ([*SMALL, "--temperature", "nan"], "temperature"),
        ([*SMALL, "--nonsense", "1"], "command line"),
        ([*SMALL, "--teacher.batch", "many"], "command line"),
        (["smoke", "--dataset", "cifar"], "command line"),
        (["smoke", "--dataset", "mnist"], "dataset"),
        (["smoke", "--dataset", "mnist", "--data-dir", "nowhere"], "data_dir"),
    ],
)
def test_bad_input_is_one_line_that_names_the_field(args, culprit, monkeypatch, capsys, tmp_path):
    status, err = run_main(monkeypatch, capsys, tmp_path, *args)
    assert status == 2
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith(f"error: {culprit}:")
    assert not list(tmp_path.glob("runs/*/*/table.csv"))


def test_an_unknown_dataset_is_refused_with_the_choices(monkeypatch, capsys, tmp_path):
    _, err = run_main(monkeypatch, capsys, tmp_path, "smoke", "--dataset", "cifar")
    assert "--dataset" in err
    assert "digits" in err
    with pytest.raises(LabError, match="dataset: unknown name 'cifar'"):
        images.load("cifar")


@pytest.mark.parametrize("out", ["/dev/null/runs", "file"])
def test_an_output_folder_that_cannot_be_written_is_named(out, tmp_path):
    (tmp_path / "runs").write_text("a file, not a folder")
    out = out if out != "file" else str(tmp_path / "runs")
    status, _, err = process.run(tmp_path, "--raw", *process.TINY, "--out", out)
    assert status == 2
    assert err.startswith("error: out: ")
    assert len(err.strip().splitlines()) == 1


def test_an_interrupted_run_with_a_damaged_mark_is_refused_and_fresh_starts_over(tmp_path, command):
    status, out, _ = command()
    assert status == 0
    folder = process.folder_of(out)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, "status": "running"}))
    (folder / "progress.json").write_text('{"label": {')
    status, _, err = command()
    assert status == 2
    assert "progress.json" in err
    assert (folder / "table.csv").exists()
    assert command("--fresh")[0] == 0


def test_help_names_every_field_with_its_default(capsys):
    with pytest.raises(SystemExit):
        cli.parse(EXPERIMENT, ["--help"])
    text = capsys.readouterr().out
    fields = ("--members", "--net.hidden", "--teacher.learning-rate", "--student.learning-rate")
    for field in (*fields, "--inputs", "--out", "--fresh", "--data-dir"):
        assert field in text
    assert "smoke" in text
    # The docstring with its own lines, and what the presets change.
    for line in (*EXPERIMENT.doc.strip().splitlines(), "teacher.batch 64", "net.hidden [64, 64]"):
        assert line in text.replace("\u00a0", " ")
