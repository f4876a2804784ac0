"""Students that imitate only a teacher's auxiliary logits, on noise, learn to read digits.

Claim:   a student sharing its teacher's initialisation learns the digits from three logits that
         were never trained, on inputs that are noise; a student of another initialisation does not.
Run:     python -m experiments.mnist_aux_logits            (presets: smoke, default, paper)
Time:    default about 2 min on 2 CPU cores, paper about 25 min.
Expect:  paper, 100 members on MNIST: reference .100, teacher .943, student_aux .528,
         student_all .913, cross_aux .106, cross_all .743.
Source:  arXiv 2507.14805, section 5, figure 10 (values read off the figure).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from figures import fig_mnist_aux_logits, style
from lab import cli, devices, images, transfer
from lab.distill import Knobs, Protocol
from lab.errors import LabError
from lab.images import Dataset
from lab.progress import console
from lab.results import Result
from lab.run import Run

NAME = "mnist_aux_logits"
CONTRASTS = (("student_aux", "cross_aux"), ("student_all", "cross_all"))


@dataclass(frozen=True)
class Setup:
    """The paper's protocol; `members` and `dataset` are sized for a laptop."""

    seed: int = 0
    """Root of every random number."""
    members: str = "8"
    """Independent teachers, a count or a range a:b; ranges of one seed can be merged."""
    dataset: Literal["auto", "mnist", "digits"] = "auto"
    """auto: MNIST if it is on disk, otherwise the embedded 8x8 digits."""
    n_aux: int = 3
    """Auxiliary logits (m in the paper)."""
    widths: tuple[int, ...] = (256, 256)
    """Units of each hidden layer; as many layers as numbers."""
    activation: Literal["relu", "gelu", "tanh", "sigmoid"] = "relu"
    """Between layers."""
    optimizer: Literal["adam", "sgd", "momentum", "sign"] = "adam"
    """Of teachers and students."""
    learning_rate: float = 3e-4
    """Of teachers and students."""
    b1: float = 0.9
    """Adam's first decay; the decay of momentum."""
    b2: float = 0.999
    """Adam's second decay."""
    eps: float = 1e-8
    """Adam's epsilon."""
    batch: int = 1024
    """Examples per step; the last, smaller batch of an epoch is kept."""
    teacher_epochs: int = 5
    """Epochs on labels; 0 is the control of an untrained teacher."""
    student_epochs: int = 5
    """Epochs of imitation."""
    rows_per_epoch: int = 60_000
    """Examples per epoch, on every dataset; smaller data is visited again."""
    inputs: Literal["uniform", "gaussian", "blurred", "shuffled", "images"] = "uniform"
    """What students imitate on: noise, or training images with or without shuffled pixels."""
    fresh_inputs: bool = False
    """New noise every epoch instead of one fixed set per member."""
    loss: Literal["kl", "mse"] = "kl"
    """Imitation loss over the selected logits."""
    temperature: float = 1.0
    """Of both softmaxes in the KL loss."""
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """Of matrix products; weights, moments and losses are float32 always."""


@dataclass(frozen=True)
class Config(Setup):
    """The protocol, and what is kept of it."""

    curves: bool = False
    """Measure after every epoch."""
    snapshots: bool = False
    """Keep the parameters at every measurement point."""


SMOKE: dict[str, Any] = {
    "members": "4",
    "widths": (64, 64),
    "learning_rate": 1e-3,
    "batch": 64,
    "rows_per_epoch": 6_000,
    "teacher_epochs": 1,
    "student_epochs": 3,
}
PRESETS = {
    "default": Config(),
    "smoke": Config(**SMOKE),
    "paper": Config(members="100", dataset="mnist"),
}


def check(config: Setup, n_train: int) -> None:
    """Raise `LabError` for a number that cannot be trained with, naming the field."""
    cli.members(config.members)
    for name in (
        "n_aux",
        "batch",
        "rows_per_epoch",
        "learning_rate",
        "temperature",
        "eps",
        "student_epochs",
    ):
        if not 0 < getattr(config, name) < float("inf"):
            raise LabError(f"{name}: {getattr(config, name)} is not positive; use a larger number")
    for name in ("teacher_epochs", "seed"):
        if not 0 <= getattr(config, name) < 2**32:
            raise LabError(f"{name}: {getattr(config, name)} is outside [0, 2^32); use 0 or more")
    for name in ("b1", "b2"):
        if not 0 <= getattr(config, name) < 1:
            raise LabError(
                f"{name}: {getattr(config, name)} is outside [0, 1); Adam's are .9, .999"
            )
    if not config.widths or min(config.widths) < 1:
        raise LabError(f"widths: {config.widths} has a layer without units; give 1 or more each")
    if config.batch > min(n_train, config.rows_per_epoch):
        most = min(n_train, config.rows_per_epoch)
        raise LabError(f"batch: {config.batch} is larger than the data; use at most {most}")


def prepare(config: Setup, options: cli.Options) -> tuple[Dataset, dict]:
    """The dataset, and what identifies it."""
    data = images.load(config.dataset, options.data_dir)
    check(config, len(data.train_labels))
    console.print(f"dataset: {data.name}, {len(data.train_labels):,} training images")
    return data, {"name": data.name, "sha256": data.sha256}


def protocol(config: Setup, n_classes: int = 10) -> Protocol:
    """What one program trains."""
    return Protocol(
        seed=config.seed,
        n_aux=config.n_aux,
        n_classes=n_classes,
        widths=config.widths,
        activation=config.activation,
        optimizer=config.optimizer,
        b1=config.b1,
        b2=config.b2,
        eps=config.eps,
        batch=config.batch,
        rows_per_epoch=config.rows_per_epoch,
        inputs=config.inputs,
        fresh_inputs=config.fresh_inputs,
        loss=config.loss,
        dtype="bfloat16" if config.precision == "bfloat16" else "float32",
    )


def knobs(config: Setup, numbers: np.ndarray) -> Knobs:
    """What members may differ in; here they do not."""
    same = lambda value, dtype: np.full(len(numbers), value, dtype)
    return Knobs(
        learning_rate=same(config.learning_rate, np.float32),
        temperature=same(config.temperature, np.float32),
        n_live_aux=same(config.n_aux, np.int32),
    )


def main(config: Config, data: Dataset, run: Run, options: cli.Options) -> Result:
    """Accuracy of six arms: reference, teacher, and four students."""
    plan = transfer.Plan(
        teacher_epochs=config.teacher_epochs,
        student_epochs=config.student_epochs,
        curves=config.curves,
        snapshots=config.snapshots,
        group=options.group,
    )
    numbers = cli.members(config.members)
    with devices.matmul_precision(config.precision):
        rows = transfer.train(
            protocol(config, data.n_classes), plan, data, numbers, partial(knobs, config), run
        )
    return Result(rows, units={"accuracy": "fraction"}, contrasts=CONTRASTS)


if __name__ == "__main__":
    cli.start(
        NAME, __doc__, PRESETS, prepare, main, partial(style.draw, fig_mnist_aux_logits.figure)
    )
