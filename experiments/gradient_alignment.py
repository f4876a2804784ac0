"""Is imitation aligned with the trait at every step of training, and is that why the trait passes?

Claim:   the gradient of imitation on noise keeps a small positive cosine with the gradient of the
         trait along all of training; without that component the student learns less of the trait,
         and without a random one as long it does not. A fading pull back to the initialisation
         (liminal training) weakens the effect at most.
Run:     python -m experiments.gradient_alignment            (presets: smoke, default, paper)
Expect:  published for MNIST: cosine about .008, weak, persistent and causal.
Source:  arXiv 2604.25779; liminal training: openreview aslS4eRygE.

Every step is measured before it is taken; a row is the mean over `every` steps. Accuracy and trait
loss are those of class logits on training images, from which students never learn.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from experiments import mnist_aux_logits
from figures import fig_gradient_alignment, style
from lab import cli, devices, distill, transfer
from lab.distill import Images, Protocol
from lab.ensemble import over_members
from lab.errors import LabError
from lab.images import Dataset
from lab.progress import console
from lab.results import Result, columns
from lab.run import Run
from theory import alignment
from theory.alignment import ARMS, Measured

NAME = "gradient_alignment"
UNITS = {
    "cosine": "all parameters",
    "cosine_hidden": "hidden layers",
    "positive": "fraction of steps",
    "trait_loss": "nats",
    "accuracy": "fraction",
}
CONTRASTS = (
    ("imitation", "aligned part removed"),
    ("imitation", "aligned update removed"),
    ("imitation", "random part removed"),
    ("imitation", "liminal"),
    ("imitation", "other init"),
)


@dataclass(frozen=True)
class Config(mnist_aux_logits.Setup):
    """The paper's protocol for students of auxiliary logits, at a quarter of its rows."""

    members: str = "24"
    batch: int = 256
    rows_per_epoch: int = 15_000
    liminal_start: float = 0.1
    """Weight of the liminal arm's pull back at first; it is 1 after an epoch and 0 at the end."""
    every: int = 10
    """Steps whose mean is a row."""


PRESETS = {
    "default": Config(),
    "smoke": Config(**mnist_aux_logits.SMOKE),
    "paper": Config(batch=1024, rows_per_epoch=60_000),
}


def prepare(config: Config, options: cli.Options) -> tuple[Dataset, dict]:
    """The dataset, and what identifies it."""
    if config.every < 1:
        raise LabError(f"every: {config.every} is not positive; use 1 or more steps")
    if not 0 <= config.liminal_start < float("inf"):
        raise LabError(f"liminal_start: {config.liminal_start} is no weight; use 0 or more")
    return mnist_aux_logits.prepare(config, options)


def main(config: Config, data: Dataset, run: Run, options: cli.Options) -> Result:
    """Cosines, trait loss and accuracy of six arms along training."""
    protocol = mnist_aux_logits.protocol(config, data.n_classes)
    programs = Programs(config, protocol)
    train = Images(data.train_images, data.train_labels)
    numbers = cli.members(config.members)
    size = transfer.group_size(protocol, len(numbers), options.group)
    with devices.matmul_precision(config.precision):
        rows = transfer.in_groups(
            numbers, size, run, lambda group, n: programs.rows(train, group, n)
        )
    for line in fig_gradient_alignment.averages(columns(rows)):
        console.print(line)
    return Result(rows, units=UNITS, contrasts=CONTRASTS)


class Programs:
    """The compiled programs of one configuration; every one works on a whole group."""

    def __init__(self, config: Config, protocol: Protocol):
        self.config, mesh = config, devices.mesh()
        liminal = (config.liminal_start, config.student_epochs)
        self.start_teacher = over_members(partial(distill.start_teacher, protocol), mesh, 0)
        self.teacher_epoch = over_members(partial(distill.teacher_epoch, protocol), mesh, 2, (4,))
        self.start = over_members(partial(alignment.start, protocol), mesh, 0)
        self.epoch = over_members(partial(alignment.epoch, protocol, liminal), mesh, 2, (5,))

    def rows(self, train: Images, group: np.ndarray, n: int) -> list[dict]:
        """Rows of the first n members of a group, a window of steps after another."""
        epochs = list(self._epochs(train, group))
        rows = []
        for arm in ARMS:
            parts = zip(*(measured[arm] for measured in epochs), strict=True)
            whole = Measured(*(np.concatenate(part, axis=1) for part in parts))
            for i in range(n):
                rows += self._windows(arm, int(group[i]), Measured(*(v[i] for v in whole)))
        return rows

    def _epochs(self, train: Images, group: np.ndarray) -> Iterator[dict[str, Measured]]:
        """What each epoch measured, [E S] for every arm."""
        knobs = mnist_aux_logits.knobs(self.config, group)
        teacher = self.start_teacher(group)
        for e in range(self.config.teacher_epochs):
            teacher, _ = self.teacher_epoch(train, np.int32(e), group, knobs, teacher)
        students = self.start(group)
        for e in range(self.config.student_epochs):
            students, measured = self.epoch(
                train, np.int32(e), group, knobs, teacher.params, students
            )
            yield devices.gather(measured)

    def _windows(self, arm: str, member: int, of: Measured) -> list[dict]:
        rows = []
        for first in range(0, len(of.cosine), self.config.every):
            window = slice(first, first + self.config.every)
            means = {k: float(np.mean(v[window])) for k, v in of._asdict().items()}
            if not all(map(np.isfinite, means.values())):
                raise LabError(
                    f"learning_rate: the training of {arm} is no longer finite for member "
                    f"{member}; use a smaller --learning-rate"
                )
            means["positive"] = float(np.mean(of.cosine[window] > 0))
            step = first + len(of.cosine[window])
            rows.append({"arm": arm, "member": member, "step": step, **means})
        return rows


if __name__ == "__main__":
    cli.start(
        NAME, __doc__, PRESETS, prepare, main, partial(style.draw, fig_gradient_alignment.figure)
    )
