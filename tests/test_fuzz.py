"""A little of the fuzzer: `python -m tests.fuzz` is the long run."""

import pytest

from tests.fuzz import artifacts, commands, files, kills

pytestmark = pytest.mark.filterwarnings("ignore")  # of what is read, damaged


def test_random_command_lines_end_well_or_with_one_line(tmp_path):
    counts = commands.check(80, tmp_path)
    assert counts["refused"] > 30 and counts["legal"] > 1


@pytest.mark.slow  # compiles every run anew, up to half a minute each
def test_random_small_runs_end_with_finite_tables_or_with_one_line(tmp_path):
    assert commands.check_trained(4, tmp_path)["trained"]


def test_damaged_run_folders_and_tables_give_the_same_table_or_one_line(tmp_path):
    counts = files.check(20, tmp_path)
    assert counts["of_runs refused"] and counts["of_kept refused"]


def test_damaged_artifacts_are_made_again_and_damaged_files_of_a_user_named(tmp_path):
    counts = artifacts.check(10, tmp_path)
    assert counts["of_cache the same student"] and counts["of_user refused"]


@pytest.mark.slow  # a minute
def test_runs_that_are_killed_at_random_end_with_the_same_bytes(tmp_path):
    modules = ("tests.fuzz.toy", "experiments.mnist_aux_logits")
    assert sum(kills.check(10, tmp_path, modules).values()) >= 10
