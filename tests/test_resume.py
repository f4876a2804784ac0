"""A training that is broken off goes on with the same bits."""

import json
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from lab import devices, ensemble, hosts
from lab.lm import finetune, resume, transformer
from lab.lm.resume import Kept
from lab.lm.tuning import Tuning
from tests.process import ended, launched
from tests.process import hosts as environments
from tests.test_finetune import ARCH, N, data, stack
from tests.tiny import equal

TUNING = Tuning(batch=16, learning_rate=1e-2, warmup=2, epochs=3, clip=0.5)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """States are kept after every chunk, and passes of 4 steps are chunks of 3 and 1."""
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    monkeypatch.setattr(resume, "_SHARE", 0)
    monkeypatch.setattr(finetune, "_chunk_size", lambda n_pass: 3)


def train(kept=None, until=12):
    """The steps after which chunks ended, and the parameters after the last one."""
    start = stack([transformer.init(jax.random.key(0), ARCH)])
    rows, keys, seen = stack([data(0)]), jax.random.key(0)[None], []
    for chunk in finetune.train(ARCH, TUNING, TUNING.n_steps(N), start, rows, keys, kept=kept):
        seen.append(chunk.done)
        if chunk.done >= until:
            return seen, chunk.parameters()
    raise AssertionError("fewer steps")


def test_a_training_goes_on_in_the_middle_of_a_pass_with_the_same_bits(tmp_path):
    seen, unbroken = train()
    assert seen == [3, 4, 7, 8, 11, 12]
    folder = tmp_path / "training"
    assert train(Kept(folder), until=7)[0] == [3, 4, 7]
    assert sorted(path.name for path in folder.iterdir()) == ["7", "kept.json"]
    seen, after = train(Kept(folder))
    assert seen == [8, 11, 12] and equal(after, unbroken)
    # The last one is not kept: what came of it is saved by who asked for it.
    assert sorted(path.name for path in folder.iterdir()) == ["11", "kept.json"]


def test_what_is_damaged_or_of_another_shape_is_trained_again(tmp_path):
    folder = tmp_path / "training"
    train(Kept(folder), until=7)
    state = ensemble.State({"other": jax.numpy.zeros(3)}, (), jax.numpy.int32(0))
    assert Kept(folder).found(state) == (0, state)
    largest = max(folder.rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    largest.write_bytes(largest.read_bytes()[:-1] + b"x")
    assert train(Kept(folder), until=4)[0] == [3, 4]


def test_short_trainings_keep_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SECONDS", 600.0)
    train(Kept(tmp_path / "training"))
    assert list(tmp_path.iterdir()) == []


def together(folder: Path, until: int) -> list[dict]:
    """What two processes say that train as one, a share of each batch each."""
    words = "tests.test_resume", str(folder), str(until)
    children = [launched(*words, **env) for env in environments(2)]
    return [json.loads(out.splitlines()[-1]) for out in ended(children)]


@pytest.mark.slow  # four processes that compile
def test_two_hosts_go_on_from_the_state_that_they_kept(tmp_path):
    for one in together(tmp_path / "training", until=7):
        assert one["seen"] == [3, 4, 7]
    _, unbroken = train()
    for one in together(tmp_path / "training", until=12):
        assert one["seen"] == [8, 11, 12]
        norms = [float(np.linalg.norm(x)) for x in jax.tree.leaves(unbroken)]
        np.testing.assert_allclose(one["norms"], norms, rtol=1e-4)  # measured: 1e-5


def main(folder: str, until: str) -> None:
    resume.SECONDS, resume._SHARE, finetune._chunk_size = 0.0, 0, lambda n_pass: 3
    devices.start()
    seen, after = train(Kept(Path(folder)), int(until))
    norms = [float(np.linalg.norm(x)) for x in jax.tree.leaves(hosts.gather(after))]
    print(json.dumps({"seen": seen, "norms": norms}))


if __name__ == "__main__":
    main(*sys.argv[1:])
