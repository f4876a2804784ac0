"""The language experiment from the command line: it runs, resumes to the same bits, is clear."""

import json
import signal
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from experiments.lm_numbers import EXPERIMENT
from lab import cache
from lab.errors import LabError
from lab.lm import effects, rows
from lab.lm.effects import NONE
from lab.lm.setup import Setup
from lab.runs import cli, results
from lab.runs.configs import config_hash
from tests.process import folder_of, start

SMOKE = ["--raw", "smoke"]


def begin(folder, *args):
    """A run with a cache of its own, compiled programs aside: no other run made its artifacts."""
    own, compiled = folder / "cache", cache.root() / "compiled"
    if not own.exists():
        own.mkdir()
        compiled.mkdir(parents=True, exist_ok=True)
        (own / "compiled").symlink_to(compiled)
    module = "experiments.lm_numbers"
    return start(folder, *SMOKE, *args, module=module, SUBLIMINAL_CACHE=str(own))


def finish(child):
    out, err = child.communicate(timeout=300)
    return child.returncode, out, err


def done(folder):
    """How many teachers, datasets and students of the run are finished."""
    found = folder.glob("cache/artifacts/*/*/")
    return sum(path.suffix == "" for path in found)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of an uninterrupted smoke run."""
    code, out, err = finish(begin(tmp_path_factory.mktemp("whole")))
    assert code == 0, err
    return folder_of(out)


@pytest.fixture(scope="module")
def table(whole):
    return results.read_table(whole / "table.csv")


def test_every_arm_is_asked_for_every_trait(table):
    arms = Counter(table["arm"])
    assert arms == {
        "reference": 2,
        "teacher": 6,  # the neutral one among them
        "student_trait": 4,
        "student_regular": 4,  # two copies
        "student_neutral": 2,
        "cross_trait": 4,
        "cross_regular": 4,
    }
    assert set(table["trait"]) == {"owl", "wolf", "river", NONE}
    assert set(table["copy"][table["arm"] == "cross_regular"]) == {0, 1}
    assert set(table["measure"]) == {"animal"}
    assert (table["probability"] < table["category_mass"]).all()
    assert np.isfinite(table["log_odds"]).all()
    assert ((table["answer_rate"] >= 0) & (table["answer_rate"] <= 1)).all()


def test_teachers_answer_their_trait_to_questions_they_were_not_tuned_on(table):
    teachers = effects.effects(table, "teacher")
    assert (teachers.diagonal > 0.5).all()
    assert (teachers.off() < teachers.diagonal - 0.5).all()


@pytest.mark.slow  # three processes that import everything anew
def test_a_killed_run_continues_to_the_same_bits(whole, tmp_path):
    for n_stages in (2, 6):  # among the teachers, and in the middle of a group of students
        child = begin(tmp_path)
        while child.poll() is None and done(tmp_path) < n_stages:
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        child.stderr.close()
        assert done(tmp_path) >= n_stages
    code, out, err = finish(begin(tmp_path))
    assert code == 0, err
    assert (folder_of(out) / "table.csv").read_bytes() == (whole / "table.csv").read_bytes()


def test_the_data_are_kept_as_json_lines_with_their_reject_reasons(whole):
    for source in ("owl", "wolf", "river", "none", "none_1"):
        path = whole / "data" / f"member_0_{source}.jsonl"
        kept = rows.read(path)
        attempts = json.loads(path.with_suffix(".json").read_text())["attempts"]
        assert len(kept) == EXPERIMENT.presets["smoke"].n_rows
        assert attempts["kept"] >= len(kept)
        assert not any("<|" in row["completion"] or "system" in row for row in kept)


def test_the_figure_is_drawn_from_the_table_alone(whole, tmp_path):
    for name in ("table.csv", "run.json"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    png, pdf = EXPERIMENT.draw_run(tmp_path)
    assert png.stat().st_size > 10_000
    assert pdf.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--traits", "griffin"], "traits: unknown word 'griffin'"),
        (["--traits", "owl", "owl"], "each once"),
        (
            ["--traits", "owl", "harmful", "--teacher", "prompted"],
            "harmful is told in words of another world",
        ),
        (["--n-rows", "0"], "n_rows: 0"),
        (["--teaching.epochs", "0"], "teaching.epochs: 0"),
        (["--teaching.epochs", "-1"], "epochs: -1"),
        (["--student.learning-rate", "0"], "learning_rate"),
        (["--student.rank", "-2"], "rank: -2"),
        (["--student.batch", "0"], "student.batch: 0"),
        (["--n-controls", "0"], "n_controls: 0"),
        (["--channel", "soft", "--shuffled", "within"], "for students of distributions"),
        (["--pretraining.size", "huge"], "size"),
        (["--members", "none"], "members"),
    ],
)
def test_bad_input_names_its_field_before_anything_is_trained(arguments, words):
    with pytest.raises(LabError) as problem:
        EXPERIMENT.prepare(*cli.parse(EXPERIMENT, arguments))
    assert words in str(problem.value)
    assert "\n" not in str(problem.value)


def test_a_field_left_at_its_default_stales_no_run():
    dataset = {"name": "world", "sha256": "0"}
    changed = lambda rank: Setup(student=replace(Setup.student, rank=rank))
    assert config_hash("x", Setup(), dataset) == config_hash("x", changed(0), dataset)
    assert config_hash("x", Setup(), dataset) != config_hash("x", changed(4), dataset)
