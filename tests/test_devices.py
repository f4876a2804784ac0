"""One device, eight devices, two processes: the same science."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from experiments.mnist_aux_logits import PRESETS
from lab.mnist import train
from lab.runs import results
from tests.process import ROOT, ended, folder_of, hosts, run, start

# Prints the bytes on each shard and the parameters after one epoch, of eight members.
ONE_EPOCH = """
import json, sys
from functools import partial
import jax, jax.numpy as jnp, numpy as np
from experiments.mnist_aux_logits import PRESETS
from lab import devices
from lab.ensemble import over_members
from lab.mnist import epochs, images, train
from lab.mnist.protocol import Images
data = images.digits()
small = PRESETS["smoke"]
mesh = devices.mesh()
members = np.arange(8, dtype=np.uint32)
teacher = over_members(partial(epochs.start_teacher, small), mesh, 0)(members)
epoch = over_members(partial(epochs.teacher_epoch, small), mesh, 2)
digits = Images(jnp.asarray(data.train_images), jnp.asarray(data.train_labels))
teacher, _ = epoch(digits, np.int32(0), members, train.knobs(small, 8), teacher)
kernel = teacher.params["dense_0"]["kernel"]
shards = [s.data.nbytes for s in kernel.addressable_shards]
np.save(sys.argv[1], np.asarray(kernel))
print(json.dumps({"shards": shards, "bytes": kernel.nbytes}))
"""


def test_eight_devices_hold_an_eighth_each_and_train_the_same_members(tmp_path):
    found = {}
    for n in (1, 8):
        path = tmp_path / f"{n}.npy"
        done = subprocess.run(
            [sys.executable, "-c", ONE_EPOCH, str(path)],
            env={**os.environ, "JAX_NUM_CPU_DEVICES": str(n)},
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        found[n] = json.loads(done.stdout.splitlines()[-1]), np.load(path)
    assert found[1][0]["shards"] == [found[1][0]["bytes"]]
    assert found[8][0]["shards"] == [found[8][0]["bytes"] // 8] * 8
    # Measured: 2e-6 after 94 Adam steps of 1e-3; a batched product sums in another order.
    np.testing.assert_allclose(found[1][1], found[8][1], atol=5e-5)


@pytest.mark.parametrize(
    ("flags", "seconds"),
    [("", "1200"), ("--xla_cpu_collective_call_terminate_timeout_seconds=7", "7")],
)
def test_a_device_waits_long_for_another_unless_it_is_told_not_to(flags, seconds):
    code = (
        "import jax, os; from lab import devices; devices.start(cpu_devices=2); "
        "assert jax.device_count() == 2; print(os.environ['XLA_FLAGS'])"
    )
    alone = {k: v for k, v in os.environ.items() if k != "JAX_NUM_CPU_DEVICES"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=alone | {"XLA_FLAGS": flags}, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip().endswith(f"_timeout_seconds={seconds}")
    assert done.stdout.count("timeout") == 1


# Three members of four places: what takes the filling off is an exchange, for which one device
# waits while the other may have no thread. With two or three threads this mostly never ends.
THREE_ON_ONE_CORE = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from lab import devices
devices.start(cpu_devices=2)
split = NamedSharding(devices.mesh(), PartitionSpec(devices.MEMBER))
x = jax.device_put(np.ones((4, 256, 256), np.float32), split)
work = jax.jit(lambda x: jax.lax.scan(lambda x, _: (jnp.tanh(x @ x), None), x, length=100)[0])
for _ in range(5):
    x = work(x)
    found = [jnp.copy(x)[:3] * k for k in range(6)]
print(jax.device_count(), float(found[1].mean()))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no cores can be taken away")
@pytest.mark.parametrize(("threads", "n_devices"), [(None, 2), ("1", 1), ("2", 1), ("8", 2)])
def test_devices_of_a_process_with_one_core_do_not_wait_for_ever(threads, n_devices):
    own = {k: v for k, v in os.environ.items() if k not in ("JAX_NUM_CPU_DEVICES", "PJRT_NPROC")}
    more = {} if threads is None else {"PJRT_NPROC": threads}
    done = subprocess.run(
        [sys.executable, "-c", THREE_ON_ONE_CORE],
        env=own | more, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == [str(n_devices), "1.0"]


@pytest.mark.slow  # two whole runs; the test above compares parameters
def test_accuracies_on_eight_devices_are_those_on_one(tmp_path):
    tables = []
    for n in ("1", "8"):
        status, out, err = run(tmp_path / n, "--members", "5", JAX_NUM_CPU_DEVICES=n)
        assert status == 0, err
        tables.append(results.read_rows(folder_of(out) / "table.csv"))
    assert [(r["arm"], r["member"]) for r in sorted(tables[0], key=str)] == [
        (r["arm"], r["member"]) for r in sorted(tables[1], key=str)
    ]
    place = lambda rows: {(r["arm"], r["member"], r["step"]): r["accuracy"] for r in rows}
    one, eight = map(place, tables)
    assert max(abs(one[k] - eight[k]) for k in one) <= 0.005


def test_two_processes_train_together_and_the_first_one_writes(tmp_path):
    children = [start(tmp_path, "--members", "2", **env) for env in hosts(2)]
    outputs = ended(children)
    assert "95 % interval" in outputs[0]
    assert "95 % interval" not in outputs[1]
    together = results.read_rows(folder_of(outputs[0]) / "table.csv")
    record = json.loads((folder_of(outputs[0]) / "run.json").read_text())
    assert [sitting["processes"] for sitting in record["sittings"]] == [2]
    status, out, err = run(tmp_path / "alone", "--members", "2")
    assert status == 0, err
    alone = results.read_rows(folder_of(out) / "table.csv")
    place = lambda rows: {(r["arm"], r["member"], r["step"]): r["accuracy"] for r in rows}
    assert place(together).keys() == place(alone).keys()
    assert max(abs(place(together)[k] - v) for k, v in place(alone).items()) <= 0.005


def test_a_start_up_without_the_other_hosts_numbers_is_one_line(tmp_path):
    status, _, err = run(tmp_path, JAX_COORDINATOR_ADDRESS="127.0.0.1:1")
    assert status == 2
    assert "JAX_NUM_PROCESSES" in err


@pytest.mark.parametrize(("members", "group", "size"), [(100, None, 1), (5, 4, 4), (3, 4, 3)])
def test_groups_on_cpu_are_one_member_per_device_unless_asked(members, group, size):
    assert train.group_size(PRESETS["paper"], 4, members, group) == size


@pytest.mark.slow  # two whole chains each, compiled anew
@pytest.mark.parametrize(
    "more", [(), ("--shards", "2", "1", "--snapshots")]
)  # a model on each; one on both
def test_two_processes_pass_a_trait_on_together_and_what_comes_out_is_that_of_one(tmp_path, more):
    chain = ("--raw", "smoke", "--members", "1", "--traits", "owl", "wolf", "--n-controls", "1")
    chain += more
    of = lambda folder, env: start(
        tmp_path / folder, *chain, module="experiments.lm_numbers",
        SUBLIMINAL_CACHE=str(tmp_path / folder / "cache"), **env,
    )  # fmt: skip
    out, silent = ended([of("two", env) for env in hosts(2)], 600)
    (alone,) = ended([of("one", {"JAX_NUM_CPU_DEVICES": "2"})], 600)
    assert "95 % interval" in out and "95 % interval" not in silent
    two, one = (results.read_rows(folder_of(said) / "table.csv") for said in (out, alone))
    places = [[(r["arm"], r["trait"], r["asked"]) for r in rows] for rows in (two, one)]
    assert places[0] == places[1]
    far = [abs(a["log_odds"] - b["log_odds"]) for a, b in zip(two, one, strict=True)]
    assert max(far) < 0.1  # nats; measured: 0
    assert not list((tmp_path / "two" / "cache").rglob("*.part"))
