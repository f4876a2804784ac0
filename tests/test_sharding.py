"""A model that several devices hold together trains and writes as one that a device holds."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from lab import devices, hosts, tree
from lab.errors import LabError
from lab.lm import finetune, sample, sharding, spec, transformer
from lab.lm.finetune import Tuning
from lab.lm.model import Size
from lab.lm.objectives import Rows
from lab.lm.slots import Slots
from tests.process import ROOT, ended, launched
from tests.process import hosts as hosts_of

ARCH = Size(32, 2, 4, 2, 8, 64, tied=False).with_tokens(64)
N, PROMPT, NEW = 32, 6, 5
FULL = Tuning(learning_rate=1e-2, batch=8, epochs=2)
ADAPTER = Tuning(learning_rate=1e-2, batch=8, epochs=2, rank=4)
TRAINED = {"all parameters": (FULL, 1), "adapters of two": (ADAPTER, 2)}


def rows(seed):
    rng = np.random.default_rng(seed)
    tokens = lambda n: rng.integers(6, 64, (N, n)).astype(np.int32)
    some = lambda low, high: rng.integers(low, high, N).astype(np.int32)
    return Rows(tokens(PROMPT), some(0, 3), tokens(NEW), some(1, NEW))


def measured(tuning, n_members):
    """Losses of all steps, what is written after them, and each device's part of every array."""
    params = sharding.placed(transformer.init(jax.random.key(0), ARCH), ARCH)
    start = None if tuning.rank else tree.stack([params] * n_members)
    keys, data = jax.random.split(jax.random.key(1), n_members), [rows(i) for i in range(n_members)]
    training = finetune.train(
        ARCH, tuning, tuning.n_steps(N), start, tree.stack(data), keys, base=params
    )
    chunks = list(training)
    after = chunks[-1].parameters()
    one = sharding.placed(tree.at(hosts.whole(after), 0), ARCH)
    keys = jax.random.split(jax.random.key(2), N)
    asked = one, ARCH, data[0].prompts, data[0].start, keys, NEW, 1
    drawn = [sample.drawn(*asked, slots=slots).tolist() for slots in (None, Slots(N // 2, 2))]
    parts = {
        ".".join(p.path): max(s.data.nbytes for s in spec.at(tree, p.path).addressable_shards)
        / spec.at(tree, p.path).nbytes
        for tree in (params, after)
        for p in spec.parameters(ARCH)
    }
    losses = np.concatenate([chunk.losses for chunk in chunks], axis=1)
    return {"losses": losses.tolist(), "drawn": drawn, "parts": parts}


def main():
    which, *shards = sys.argv[1:]
    devices.start(shards=tuple(map(int, shards)))
    jax.config.update("jax_default_matmul_precision", "highest")
    print(json.dumps(measured(*TRAINED[which])))


@pytest.mark.parametrize(
    ("which", "shards"),
    [
        ("all parameters", (2, 2)),
        *(
            pytest.param(which, shards, marks=pytest.mark.slow)  # a minute of compiling each
            for which in TRAINED
            for shards in ((2, 2), (2, 1), (1, 2))
            if (which, shards) != ("all parameters", (2, 2))
        ),
    ],
)
def test_models_on_several_devices_are_those_on_one_and_each_holds_its_part(which, shards):
    done = subprocess.run(
        [sys.executable, "-m", "tests.test_sharding", which, *map(str, shards)], cwd=ROOT,
        env={**os.environ, "JAX_NUM_CPU_DEVICES": "4"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found, one = json.loads(done.stdout.splitlines()[-1]), measured(*TRAINED[which])
    np.testing.assert_allclose(found["losses"], one["losses"], atol=1e-5)
    assert found["drawn"] == one["drawn"]
    fsdp, tensor = shards
    whole = {"layers.0.gate.kernel": fsdp * tensor, "embed": fsdp, "head": fsdp * tensor}
    for name, n in whole.items():
        assert found["parts"][name] == 1 / n, name
    assert max(one["parts"].values()) == 1


@pytest.mark.parametrize(
    ("which", "n_devices", "shards"),
    [
        ("adapters of two", 1, (1, 1)),  # a member on each host
        pytest.param("all parameters", 1, (1, 1), marks=pytest.mark.slow),  # rows on each host
        pytest.param("all parameters", 2, (1, 2), marks=pytest.mark.slow),  # and two hold the model
        ("all parameters", 1, (2, 1)),  # both hosts hold it together
        *(  # a quarter of it on each device
            pytest.param(which, 2, shards, marks=pytest.mark.slow)
            for which in TRAINED
            for shards in ((4, 1), (2, 2))
        ),
    ],
)
def test_models_that_two_hosts_train_together_are_those_of_one(which, n_devices, shards):
    words = "tests.test_sharding", which, *map(str, shards)
    own = {"JAX_NUM_CPU_DEVICES": str(n_devices)}
    children = [launched(*words, **(env | own)) for env in hosts_of(2)]
    one = measured(*TRAINED[which])
    for found in (json.loads(out.splitlines()[-1]) for out in ended(children)):
        np.testing.assert_allclose(found["losses"], one["losses"], atol=1e-5)
        assert found["drawn"] == one["drawn"]
        if shards != (1, 1):  # else a host has members, or rows, of its own
            assert found["parts"]["layers.0.gate.kernel"] == 1 / np.prod(shards)


def test_shards_that_do_not_divide_the_devices_are_refused():
    with pytest.raises(LabError, match=r"shards: 3 x 1 devices for a model do not divide the 1"):
        devices.start(shards=(3, 1))
    assert devices.n_shards() == 1


if __name__ == "__main__":
    main()
