"""Mistakes that one could make in the science, a line each, and the tests that must notice.

Run:     python -m tests.mutants [--jobs 1] [NAME ...]      (a part of a name is enough)
Time:    5 to 30 seconds a mutant on a quiet machine.

A mutant is a text that stands once in a file of the lab, and what stands there instead. It is
killed if pytest says that tests failed, not if it could not run them. Exits with 1 if one lives.
"""

import argparse
import importlib
import pkgutil
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests import mistakes, warm
from tests.mistakes import Mutant

ROOT = Path(__file__).parents[1]
PACKAGES = ("lab", "theory", "figures", "experiments", "tests")
FAILED = 1  # pytest's exit status for tests that failed


def every() -> dict[str, Mutant]:
    """All mutants by name. Names differ, also between files."""
    found: dict[str, Mutant] = {}
    for file in sorted(pkgutil.iter_modules(mistakes.__path__), key=lambda file: file.name):
        own = importlib.import_module(f"tests.mistakes.{file.name}").MUTANTS
        assert not found.keys() & own.keys(), file.name
        found |= own
    return found


MUTANTS = every()
# Noticed by tests that train nothing: a few seconds each, most of them for the imports.
SAMPLE = (
    "traits are exchanged across categories",
    "students are the clusters, not members",
    "the control of cross_trait is student_regular",
    "one control stands for all",
    "luck is against a mean that it is in",
    "what shuffling leaves is what it takes",
    "references of choices give a result",
    "an effect need not be clear of its null",
    "numbers are shuffled across instead of within",
    "teachers are tuned on the questions that are asked",
)


def copy_to(folder: Path) -> Path:
    """A copy of the tree in which mutants live; compiled modules come along."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package)
    shutil.copy2(ROOT / "pyproject.toml", folder)
    return folder


def run(folder: Path, nodes: Iterable[str]) -> tuple[int, str]:
    """Pytest's exit status and what it says of some tests, up to the first that fails."""
    words = ["pytest", "-n0", "-x", "-q", "-p", "no:cacheprovider", "--tb=line", *nodes]
    words += ["-W", "ignore:Module already imported"]  # by `warm`
    return module(folder, words, timeout=1200)


def module(folder: Path, words: Iterable[str], timeout: int) -> tuple[int, str]:
    """Exit status and output of `python -m WORDS` of a copy of the tree."""
    return warm.run(folder, list(words), timeout)


def status(mutant: Mutant, folder: Path) -> tuple[int, str]:
    """What the mutant's tests say in a copy of the tree, which is then as it was."""
    path = folder / mutant.file
    source = path.read_text()
    assert source.count(mutant.right) == 1
    path.write_text(source.replace(mutant.right, mutant.wrong))
    try:
        return run(folder, mutant.nodes)
    finally:
        shutil.copy2(ROOT / mutant.file, path)


def main() -> int:
    """Run all mutants, or those that are named, and say which live."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="parts of names; default: all")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at once")
    arguments = parser.parse_args()
    wanted = arguments.names or [""]
    chosen = [name for name in MUTANTS if any(part in name for part in wanted)]
    with tempfile.TemporaryDirectory() as scratch:
        free: SimpleQueue[Path] = SimpleQueue()
        for i in range(arguments.jobs):
            (Path(scratch) / str(i)).mkdir()
            free.put(copy_to(Path(scratch) / str(i)))

        def judge(name: str) -> bool:
            folder, began = free.get(), time.monotonic()
            code, text = status(MUTANTS[name], folder)
            free.put(folder)
            word = "killed" if code == FAILED else "LIVED" if code == 0 else f"BROKE ({code})"
            print(f"{word:7} {time.monotonic() - began:5.0f} s  {name}", flush=True)
            if code not in (0, FAILED):
                print(text[-2000:], flush=True)
            return code == FAILED

        with ThreadPoolExecutor(arguments.jobs) as pool:
            killed = list(pool.map(judge, chosen))
    print(f"{sum(killed)} of {len(killed)} killed")
    return int(not all(killed))


if __name__ == "__main__":
    sys.exit(main())
