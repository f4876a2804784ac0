"""Every kind of bad input: one clear line that names the culprit and the remedy, and status 2."""

import dataclasses
from dataclasses import dataclass

import pytest

from experiments.mnist_aux_logits import EXPERIMENT
from lab.errors import LabError
from lab.mnist import images
from lab.runs import claims, cli, results
from lab.runs.experiment import Experiment
from lab.stats import Estimate
from tests import process
from tests.stored import change

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
        ([*process.TINY, "--student.learning-rate", "1e30"], "student.learning_rate"),
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


@dataclass(frozen=True)
class Config:
    members: str = "2"


def toy(rows):
    """An experiment without training, of these rows."""
    return Experiment(
        name="toy",
        doc="",
        presets={"default": Config()},
        rows=rows,
        units={"accuracy": "fraction"},
        claims=lambda table, record: [claims.claim("[a] claim", Estimate(0.5, 0.4, 0.6, 2))],
        draw=lambda table, record, stem: [],
    )


def ended(experiment, monkeypatch, capsys, tmp_path, *args):
    """(status, stdout, stderr) of an experiment's command line."""
    monkeypatch.setattr("sys.argv", ["x", "--out", str(tmp_path), *args])
    status = 0
    try:
        cli.start(experiment)
    except SystemExit as stop:
        status = stop.code
    return status, *capsys.readouterr()


def measured(job, cells):
    return [{"arm": "a", **cell.columns, "accuracy": 0.5} for cell in cells]


def test_a_complete_run_with_a_cut_table_is_refused_and_fresh_starts_over(
    monkeypatch, capsys, tmp_path
):
    run = lambda *args: ended(toy(measured), monkeypatch, capsys, tmp_path, *args)
    assert run()[0] == 0
    (table,) = tmp_path.rglob("table.csv")
    whole = table.read_bytes()
    table.write_bytes(whole[: len(whole) // 2])
    status, _, err = run()
    assert (status, err.count("\n")) == (2, 1)
    assert "table.csv was changed" in err and "--fresh" in err
    assert run("--fresh")[0] == 0
    assert table.read_bytes() == whole


ERRORS = {
    "of the host": (MemoryError(), "memory: "),
    "of a device": (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying"), "memory: "),
    "of XLA": (RuntimeError("INTERNAL: Failed to execute: Out of memory allocating 9"), "memory: "),
    "of an allocator": (RuntimeError("Failed to allocate request for 74.5GiB"), "memory: "),
    "of a disk": (OSError(28, "No space left on device", "/a/file"), "/a/file: No space left"),
    "of a user": (LabError("field: a line\nand another"), "field: a line and another"),
    "of a platform": (RuntimeError("Unable to initialize backend 'x'"), "JAX_PLATFORMS: "),
    "of the lab": (RuntimeError("a mistake"), None),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_a_user_can_put_right_is_one_line_and_nothing_else_is(
    name, monkeypatch, capsys, tmp_path
):
    error, line = ERRORS[name]

    def rows(job, cells):
        raise error

    if line is None:
        with pytest.raises(type(error)):
            ended(toy(rows), monkeypatch, capsys, tmp_path)
        return
    status, _, err = ended(toy(rows), monkeypatch, capsys, tmp_path)
    assert status == 2 and err.startswith(f"error: {line}") and err.count("\n") == 1
    if line == "memory: ":
        assert "--group" in err and "--members" in err


def test_rows_that_are_no_table_are_refused_before_anything_is_said_of_them(
    monkeypatch, capsys, tmp_path
):
    for changed in ({"accuracy": "high"}, {"accuracy": float("inf")}, {"accuracy": True}):
        rows = lambda job, cells, changed=changed: [r | changed for r in measured(job, cells)]
        status, _, err = ended(toy(rows), monkeypatch, capsys, tmp_path, "--fresh")
        assert status == 2 and "accuracy" in err and err.count("\n") == 1
        assert not list(tmp_path.rglob("table.csv"))


def test_a_record_that_does_not_say_what_its_figure_shows_is_one_line(
    monkeypatch, capsys, tmp_path
):
    def draw(table, record, stem):
        claims.of_record(results.read_record(record))["[a] claim"]
        return []

    experiment = dataclasses.replace(toy(measured), draw=draw)
    status, out, _ = ended(experiment, monkeypatch, capsys, tmp_path)
    assert status == 0 and "[a] claim" in out
    change(next(tmp_path.rglob("run.json")), claims=[])
    status, _, err = ended(experiment, monkeypatch, capsys, tmp_path)
    assert status == 2 and "KeyError" in err and "--fresh" in err
    assert ended(experiment, monkeypatch, capsys, tmp_path, "--fresh")[0] == 0


@pytest.mark.parametrize("how", ["link", "folder"])
def test_a_figure_replaces_what_stands_in_its_place(how, monkeypatch, capsys, tmp_path):
    def draw(table, record, stem):
        stem.with_suffix(".png").write_text("drawn")
        return []

    experiment = dataclasses.replace(toy(measured), draw=draw)
    assert ended(experiment, monkeypatch, capsys, tmp_path)[0] == 0
    figure, aside = next(tmp_path.rglob("figure.png")), tmp_path / "aside"
    aside.write_text("not yours")
    figure.unlink()
    figure.symlink_to(aside) if how == "link" else figure.mkdir()
    assert ended(experiment, monkeypatch, capsys, tmp_path)[0] == 0
    assert (figure.read_text(), aside.read_text()) == ("drawn", "not yours")


def test_a_platform_that_is_none_is_one_line(tmp_path):
    status, _, err = process.run(tmp_path, JAX_PLATFORMS="nonsense")
    assert status == 2 and err.startswith("error: JAX_PLATFORMS: ") and err.count("\n") == 1


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
