"""Each mistake of `tests.mutants` makes the tests fail that it names, and nothing else does."""

import subprocess
import sys

import pytest

from tests import mutants
from tests.mutants import MUTANTS, SAMPLE


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return mutants.copy_to(tmp_path_factory.mktemp("copy"))


def test_the_text_of_every_mutant_stands_once_in_its_file():
    for name, mutant in MUTANTS.items():
        source = (mutants.ROOT / mutant.file).read_text()
        assert source.count(mutant.right) == 1, name
        assert mutant.wrong != mutant.right, name
        compile(source.replace(mutant.right, mutant.wrong), mutant.file, "exec")


def test_the_tests_of_every_mutant_are_there():
    for name, mutant in MUTANTS.items():
        for node in mutant.nodes:
            file, _, test = node.partition("::")
            source = (mutants.ROOT / file).read_text()
            assert f"\ndef {test}(" in source or not test, (name, node)


def nodes(names):
    return list(dict.fromkeys(node for name in names for node in MUTANTS[name].nodes))


def test_the_copy_as_it_is_passes_the_tests_of_the_sample(copy):
    code, text = mutants.run(copy, nodes(SAMPLE))
    assert code == 0, text


@pytest.mark.slow  # minutes
def test_the_copy_as_it_is_passes_the_tests_of_all_mutants(copy):
    code, text = mutants.run(copy, nodes(MUTANTS))
    assert code == 0, text


# A fixed few are quick; each of the others is a process of 5 to 30 seconds.
@pytest.mark.parametrize(
    "name", [pytest.param(m, marks=[pytest.mark.slow] * (m not in SAMPLE)) for m in MUTANTS]
)
def test_the_tests_fail_when(name, copy):
    code, text = mutants.status(MUTANTS[name], copy)
    assert code == mutants.FAILED, text


def test_the_command_says_which_are_killed():
    name = "students are the clusters, not members"
    command = [sys.executable, "-m", "tests.mutants", name]
    done = subprocess.run(command, cwd=mutants.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("killed") and done.stdout.endswith("1 of 1 killed\n")
