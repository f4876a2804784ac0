from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest

from experiments.mnist_aux_logits import PRESETS
from lab import devices
from lab.mnist import train
from lab.mnist.arms import STUDENTS
from lab.mnist.protocol import Images


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_training_step_lowers_for_accelerators(platform, precision, digits):
    chosen = replace(PRESETS["paper"], precision=precision)
    images = Images(jnp.asarray(digits.train_images), jnp.asarray(digits.train_labels))
    members = jnp.arange(2, dtype=jnp.uint32)
    knobs = train.knobs(chosen, 2)
    compiled = train.Programs(chosen, STUDENTS, devices.mesh())
    teacher = compiled.start_teacher(members)
    students = compiled.start_students(images, members, knobs)
    epoch = jnp.int32(0)
    n_outputs = chosen.net.sizes[-1]
    targets = jnp.zeros((2, chosen.rows_per_epoch, n_outputs))
    calls = {
        "start_teacher": (members,),
        "start_students": (images, members, knobs),
        "teacher_epoch": (images, epoch, members, knobs, teacher),
        "targets": (images, epoch, members, teacher.params),
        "student_epoch": (images, epoch, members, knobs, targets, students),
        "accuracy": (images, teacher.params),
    }
    for name, arguments in calls.items():
        program = getattr(compiled, name) if name != "accuracy" else compiled.accuracy[chosen.net]
        exported = jax.export.export(program, platforms=[platform])(*arguments)
        assert exported.platforms == (platform,)
        if name.endswith("epoch"):
            assert "stablehlo.dot_general" in exported.mlir_module()
