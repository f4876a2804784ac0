"""Does a student's first update say whether its teacher's trait will pass to it?

Claim:   over pairs that differ in learning rate, width, epochs, initialisation and number of
         auxiliary logits, coverage, the cosine of the student's first update and the teacher's
         displacement, orders the pairs by how much they transfer.
Run:     python -m experiments.coverage            (presets: smoke, default, paper)
Expect:  published for another toy: Spearman about .95, AUROC .997.
Source:  arXiv 2606.22019, section 3 (whose toy and thresholds are not public; ours are below).

A pair's transfer is (student - start) / (teacher - start), all accuracies; it counts as transferred
if the student gained more than `fig_coverage.TRANSFERRED`.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import jax
import numpy as np

from experiments import mnist_aux_logits
from figures import fig_coverage, style
from lab import cli, devices, results, transfer
from lab.distill import Images
from lab.ensemble import over_members
from lab.errors import LabError
from lab.images import Dataset
from lab.progress import console
from lab.results import Result
from lab.run import Run
from theory import coverage
from theory.coverage import Outcome, Pair

NAME = "coverage"


@dataclass(frozen=True)
class Config:
    """The ranges that pairs are drawn from, and what all of them have in common."""

    seed: int = 0
    """Root of every random number."""
    members: str = "600"
    """Pairs, a count or a range a:b; ranges of one seed can be merged."""
    dataset: Literal["auto", "mnist", "digits"] = "auto"
    """auto: MNIST if it is on disk, otherwise the embedded 8x8 digits."""
    n_aux: int = 10
    """Most auxiliary logits; a pair imitates 2 to so many."""
    widths: tuple[int, ...] = (32, 64, 128)
    """Units of both hidden layers; pairs take turns."""
    slowest: float = 1e-4
    """Smallest learning rate."""
    fastest: float = 3e-3
    """Largest learning rate."""
    teacher_epochs: int = 3
    """Most epochs on labels; a pair has 1 to so many."""
    student_epochs: int = 4
    """Most epochs of imitation."""
    batch: int = 64
    """Examples per step."""
    rows_per_epoch: int = 6_000
    """Examples per epoch."""
    optimizer: Literal["adam", "sgd", "momentum", "sign"] = "adam"
    """Of teachers and students."""
    loss: Literal["kl", "mse"] = "kl"
    """Imitation loss."""


PRESETS = {
    "default": Config(),
    "smoke": Config(
        members="24", widths=(32,), slowest=1e-3, teacher_epochs=1, student_epochs=2, n_aux=5
    ),
    "paper": Config(members="2000", widths=(64, 128, 256), batch=256, rows_per_epoch=30_000),
}


def prepare(config: Config, options: cli.Options) -> tuple[Dataset, dict]:
    """The dataset, and what identifies it."""
    if not 0 < config.slowest <= config.fastest:
        raise LabError(f"slowest: {config.slowest} is not in (0, fastest]; use a smaller number")
    if not config.widths or min(config.widths) < 1:
        raise LabError(f"widths: {config.widths} has a net without units; give 1 or more each")
    for name, least in (("teacher_epochs", 1), ("student_epochs", 1), ("n_aux", 2)):
        if getattr(config, name) < least:
            raise LabError(f"{name}: {getattr(config, name)} is too few; use {least} or more")
    return mnist_aux_logits.prepare(_common(config, config.widths[0]), options)


def main(config: Config, data: Dataset, run: Run, options: cli.Options) -> Result:
    """A row per pair: what was drawn, both coverages, accuracies and transfer."""
    numbers = cli.members(config.members)
    turn = numbers % len(config.widths)
    train = Images(data.train_images, data.train_labels)
    test = Images(data.test_images, data.test_labels)
    rows = []
    with devices.matmul_precision("float32"):
        for i, width in enumerate(config.widths):
            of_width = numbers[turn == i]
            if len(of_width) == 0:
                continue
            protocol = mnist_aux_logits.protocol(_common(config, width), data.n_classes)
            program = over_members(partial(coverage.outcome, protocol), devices.mesh(), 2)
            measure = partial(_rows, config, width, partial(program, train, test))
            size = transfer.group_size(protocol, len(of_width), options.group)
            rows = transfer.in_groups(of_width, size, run, measure)
    for line in summary(results.columns(rows)):
        console.print(line)
    units = {name: "cosine" for name in ("coverage", "coverage_gradient")}
    units |= {name: "accuracy" for name in ("start", "teacher", "student")}
    units |= {"transfer": "of the teacher's gain"}
    return Result(rows, units=units)


def _common(config: Config, width: int) -> mnist_aux_logits.Config:
    """What the pairs of one width have in common, in the words of the paper's experiment."""
    return replace(
        mnist_aux_logits.Config(),
        seed=config.seed,
        members=config.members,
        dataset=config.dataset,
        n_aux=config.n_aux,
        widths=(width, width),
        optimizer=config.optimizer,
        batch=config.batch,
        rows_per_epoch=config.rows_per_epoch,
        loss=config.loss,
    )


def _rows(config: Config, width: int, program, group: np.ndarray, n: int) -> list[dict]:
    epochs = (config.teacher_epochs, config.student_epochs)
    pairs = coverage.draw(
        config.seed, group, config.n_aux, epochs, (config.slowest, config.fastest)
    )
    found: Outcome = devices.gather(program(group, pairs))
    at = lambda tree, i: jax.tree.map(lambda x: x[i].item(), tree)
    return [_row(int(group[i]), width, at(pairs, i), at(found, i)) for i in range(n)]


def _row(member: int, width: int, pair: Pair, found: Outcome) -> dict:
    arm = {0.0: "shared init", 1.0: "other init"}.get(pair.mixture, "mixed init")
    return {
        "arm": arm,
        "member": member,
        "width": width,
        "learning_rate": pair.knobs.learning_rate,
        "n_live_aux": pair.knobs.n_live_aux,
        "mixture": pair.mixture,
        "teacher_epochs": pair.teacher_epochs,
        "student_epochs": pair.student_epochs,
        "coverage": found.coverage,
        "coverage_gradient": found.coverage_gradient,
        "start": found.start,
        "teacher": found.teacher,
        "student": found.student,
        "transfer": (found.student - found.start) / max(found.teacher - found.start, 1e-9),
    }


def summary(table: results.Table) -> list[str]:
    """How well either coverage predicts transfer, with 95 % bootstrap intervals."""
    return [
        f"{name}: {text}"
        for name in ("coverage", "coverage_gradient")
        for text in fig_coverage.lines(table, name)
    ]


if __name__ == "__main__":
    cli.start(NAME, __doc__, PRESETS, prepare, main, partial(style.draw, fig_coverage.figure))
