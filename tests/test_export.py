from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest

from experiments.mnist_aux_logits import PRESETS, protocol
from lab import devices, transfer
from lab.distill import Images, Knobs


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_training_step_lowers_for_accelerators(platform, dtype, digits):
    chosen = replace(protocol(PRESETS["paper"]), dtype=dtype)
    images = Images(jnp.asarray(digits.train_images), jnp.asarray(digits.train_labels))
    members = jnp.arange(2, dtype=jnp.uint32)
    knobs = Knobs(jnp.full(2, 3e-4), jnp.ones(2), jnp.full(2, 3, jnp.int32))
    mesh = devices.mesh()
    compiled = transfer.Programs(chosen, mesh)
    teacher = compiled.start_teacher(members)
    students = compiled.start_students(members)
    epoch = jnp.int32(0)
    n_outputs = chosen.sizes[-1]
    targets = jnp.zeros((2, chosen.rows_per_epoch, n_outputs))
    calls = {
        "start_teacher": (members,),
        "start_students": (members,),
        "teacher_epoch": (images, epoch, members, knobs, teacher),
        "targets": (images, epoch, members, teacher.params),
        "student_epoch": (images, epoch, members, knobs, targets, students),
        "accuracy": (images, teacher.params),
    }
    for name, arguments in calls.items():
        program = getattr(compiled, name)
        exported = jax.export.export(program, platforms=[platform])(*arguments)
        assert exported.platforms == (platform,)
        if name.endswith("epoch"):
            assert "stablehlo.dot_general" in exported.mlir_module()
