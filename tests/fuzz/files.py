"""Damaged files of finished and interrupted runs, of the cache, and of a user's own."""

import contextlib
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import keep as keeping
from lab.runs import cli, provenance
from lab.runs.run import Run
from tests.fuzz import damage, outcome, toy
from tests.fuzz.outcome import Outside

GIT = {"commit": "0" * 40, "dirty": False}


class Killed(BaseException):
    """In place of a kill: nothing after it runs."""


@dataclass(frozen=True)
class Runs:
    """A finished run of the toy and an interrupted one, whole, to be copied and damaged."""

    finished: Path
    interrupted: Path
    outside: Outside
    table: bytes

    @classmethod
    def at(cls, folder: Path) -> "Runs":
        """Made in a folder."""
        whole, half = folder / "whole", folder / "half"
        found = run(whole)
        assert found.status == 0, found.err
        noted = 0

        def stop_after(real):
            def save(self, *args, **more):
                nonlocal noted
                real(self, *args, **more)
                noted += 1
                if noted == 5:
                    raise Killed

            return save

        real = Run.save
        with mock.patch.object(Run, "save", stop_after(real)), contextlib.suppress(Killed):
            run(half)
        (table,) = whole.glob("*/*/table.csv")
        assert list(half.glob("*/*/progress.json")), "it was not interrupted"
        return cls(whole, half, Outside.at(folder / "outside"), table.read_bytes())


def run(out: Path, *words: str) -> outcome.Outcome:
    """The toy, as from a command line."""
    often = {"SUBLIMINAL_CHECKPOINT_SECONDS": "0"}
    with mock.patch.object(provenance, "_git", lambda: GIT), mock.patch.dict(os.environ, often):
        return outcome.of(lambda: cli.start(toy.EXPERIMENT), "--out", str(out), *words)


def files(folder: Path) -> list[Path]:
    """Every file, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")


def of_runs(runs: Runs, folder: Path, seed: int, sealed: bool) -> str:
    """Damage a file of a run and run it again: the same table or one line, and --fresh helps."""
    rng = random.Random(seed)
    source = rng.choice((runs.finished, runs.interrupted))
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(source, out)
    path = rng.choice(files(out))
    how = rng.choice(damage.kinds(path))
    said = f"{source.name}/{path.relative_to(out)} {how} seed {seed} sealed {sealed}"
    damage.damage(path, how, rng, runs.outside.folder, sealed)
    found = run(out)
    runs.outside.require_untouched()
    outcome.require(found, said)
    whole = lambda: [p.read_bytes() for p in out.glob("*/*/table.csv") if p.is_file()]
    if found.status == 0 and not sealed:
        assert whole() == [runs.table], f"{said}: another table"
    if found.status == 2:
        assert "--fresh" in found.err, f"{said}: {found.err}"
        again = run(out, "--fresh")
        assert again.status == 0, f"{said}: --fresh says {again.err}"
        assert whole() == [runs.table], f"{said}: another table after --fresh"
        runs.outside.require_untouched()
    return "refused" if found.status else "ended well"


def of_kept(runs: Runs, folder: Path, seed: int, sealed: bool) -> str:
    """Damage a file of a run and keep it, or keep it and damage what was committed."""
    rng = random.Random(seed)
    shutil.rmtree(folder / "kept", ignore_errors=True)
    out, results = folder / "kept" / "out", folder / "kept" / "results"
    shutil.copytree(runs.finished, out)
    results.mkdir()
    (run_folder,) = out.glob("*/*")
    with (
        mock.patch.object(keeping, "RESULTS", results),
        mock.patch.object(keeping, "PICTURES", folder / "kept" / "png"),
        mock.patch.object(provenance, "require_clean", lambda record: None),
    ):
        again = rng.random() < 0.5
        if again:
            first = outcome.of(keeping.main, "toy", str(run_folder))
            assert first.status == 0, first.err
        path = rng.choice(files(results if again else run_folder))
        how = rng.choice(damage.kinds(path))
        before = {p: p.read_bytes() for p in files(results) if p != path}
        damage.damage(path, how, rng, runs.outside.folder, sealed)
        words = ["toy"] if again else ["toy", str(run_folder)]
        found = outcome.of(keeping.main, *words)
    said = f"keep {path.name} {how} seed {seed} sealed {sealed} again {again}"
    runs.outside.require_untouched()
    outcome.require(found, said)
    if found.status == 0 and not sealed:
        assert (results / "toy.csv").read_bytes() == runs.table, f"{said}: another table"
    if found.status:
        assert {p: p.read_bytes() for p in before if p.is_file()} == before, f"{said}: overwritten"
    return "refused" if found.status else "ended well"


def check(
    n: int, folder: Path, kinds: tuple[Callable, ...] = (of_runs, of_runs, of_kept)
) -> Counter:
    """Damage n files."""
    runs, counts = Runs.at(folder), Counter()

    @settings(max_examples=n, deadline=None, derandomize=True, database=None)
    @given(st.sampled_from(kinds), st.integers(0, 2**32), st.booleans())
    def damage_all(kind, seed, sealed):
        counts[f"{kind.__name__} {kind(runs, folder, seed, sealed)}"] += 1

    damage_all()
    return counts
