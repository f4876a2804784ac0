"""Each mistake that one could make in the theory makes `python -m theory.check` exit with 1."""

import shutil
from pathlib import Path

import pytest

from tests import mutants

ROOT = Path(__file__).parents[1]
SQUARED, ENTROPY = "mlp_1/tanh/squared", "mlp_1/sigmoid/cross_entropy"
UNREACHED = "mlp_2/tanh/squared/aux/class_head"

# File, what it says, what it says then, and the program on which that must show.
MUTANTS = {
    "the student ascends its loss": (
        "gradients.py",
        "return _negative(jax.grad(loss)(student))",
        "return jax.grad(loss)(student)",
        SQUARED,
    ),
    "the teacher ascends its loss": (
        "gradients.py",
        "return _negative(jax.grad(setting.trait)(theta))",
        "return jax.grad(setting.trait)(theta)",
        SQUARED,
    ),
    "the 2 of A of squared error is dropped": (
        "imitation.py",
        "return 2 * self._sum(J**2)",
        "return self._sum(J**2)",
        SQUARED,
    ),
    "the subset is ignored": (
        "imitation.py",
        "jnp.where(self.where[None], self.weights[None] * values, 0.0)",
        "self.weights[None] * values",
        UNREACHED,
    ),
    "the student starts elsewhere": (
        "measured.py",
        "setting, student = program.setting(seed, theta), theta",
        "setting, student = program.setting(seed, theta), other",
        SQUARED,
    ),
    "the curvature of the logits is dropped from B": (
        "imitation.py",
        "deviation**3 + deviation * H",
        "deviation**3",
        ENTROPY,
    ),
    "the curvature of the trait is dropped from C": (
        "expansion.py",
        " + alpha**2 * gradients.dot(V, curvature) / 2",
        "",
        SQUARED,
    ),
    "the second moment stands for the variance": (
        "imitation.py",
        "return self._mean(z, (J - self._mean(z, J)) ** 2)[:, 0]",
        "return self._mean(z, J**2)[:, 0]",
        ENTROPY,
    ),
    "the student's step forgets alpha": (
        "gradients.py",
        "optax.tree.add_scale(student, alpha, D_S)",
        "optax.tree.add_scale(student, 1.0, D_S)",
        SQUARED,
    ),
}


def exit_status(folder: Path, *programs: str) -> tuple[int, str]:
    """What the copy's own command line ends with, and what it prints."""
    words = ["theory.check", "--seeds", "2", "--programs", *programs]
    return mutants.module(folder, words, timeout=300)


@pytest.fixture
def copy(tmp_path):
    for package in ("lab", "theory"):
        shutil.copytree(ROOT / package, tmp_path / package)
    return tmp_path


def test_the_copy_as_it_is_passes(copy):
    status, text = exit_status(copy, SQUARED, ENTROPY, UNREACHED)
    assert status == 0, text


# One mutant is quick; each of the others is a process of 5 seconds.
@pytest.mark.parametrize(
    "name", [pytest.param(m, marks=[pytest.mark.slow] * (i > 0)) for i, m in enumerate(MUTANTS)]
)
def test_the_check_fails_when(name, copy):
    file, right, wrong, program = MUTANTS[name]
    path = copy / "theory" / file
    source = path.read_text()
    assert source.count(right) == 1
    path.write_text(source.replace(right, wrong))
    status, text = exit_status(copy, program)
    assert status == 1, text
    assert "FAILS" in text  # and not because it broke
