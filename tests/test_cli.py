"""Every kind of bad input: one clear line that names the culprit and the remedy, and status 2."""

import json

import pytest

from experiments import mnist_aux_logits as experiment
from lab import cli, images
from lab.errors import LabError
from tests import process

SMALL = ["smoke", "--dataset", "digits"]


def run_main(monkeypatch, capsys, tmp_path, *args):
    monkeypatch.setattr("sys.argv", ["x", *args, "--out", str(tmp_path / "runs")])
    monkeypatch.delenv(images.VARIABLE, raising=False)
    monkeypatch.setenv("SUBLIMINAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(images, "MIRRORS", ("http://127.0.0.1:9/",))
    draw = lambda folder: []
    with pytest.raises(SystemExit) as stop:
        cli.start(
            experiment.NAME, "doc", experiment.PRESETS, experiment.prepare, experiment.main, draw
        )
    return stop.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "culprit"),
    [
        (["nonsense"], "preset"),
        ([*SMALL, "--members", "0"], "members"),
        ([*SMALL, "--members=-3"], "members"),
        ([*SMALL, "--members", "5:5"], "members"),
        ([*SMALL, "--members", "many"], "members"),
        ([*SMALL, "--n-aux", "0"], "n_aux"),
        ([*SMALL, "--widths", "0"], "widths"),
        ([*SMALL, "--widths", "16", "0"], "widths"),
        ([*SMALL, "--batch", "0"], "batch"),
        ([*SMALL, "--batch", "1439"], "batch"),
        ([*SMALL, "--batch", "700", "--rows-per-epoch", "600"], "batch"),
        ([*SMALL, "--learning-rate", "0"], "learning_rate"),
        ([*SMALL, "--learning-rate", "1e30"], "learning_rate"),
        ([*SMALL, "--temperature", "0"], "temperature"),
        ([*SMALL, "--b1", "1"], "b1"),
        ([*SMALL, "--teacher-epochs=-1"], "teacher_epochs"),
        ([*SMALL, "--student-epochs", "0"], "student_epochs"),
        ([*SMALL, "--seed=-1"], "seed"),
        ([*SMALL, "--group", "0"], "group"),
        ([*SMALL, "--seed", "4294967296"], "seed"),
        ([*SMALL, "--members", "5000000000"], "members"),
        ([*SMALL, "--temperature", "nan"], "temperature"),
        ([*SMALL, "--nonsense", "1"], "command line"),
        ([*SMALL, "--batch", "many"], "command line"),
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
        cli.parse(experiment.NAME, "doc", experiment.PRESETS, ["--help"])
    text = capsys.readouterr().out
    for field in ("--members", "--learning-rate", "--inputs", "--out", "--fresh", "--data-dir"):
        assert field in text
    assert "smoke" in text
