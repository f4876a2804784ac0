"""The MNIST protocol as a good PyTorch user writes it: all members in batched matrix products.

Fused Adam, in-place activations, the fixed noise of each member stored, as in the paper's script.
`shared` trains the four students of a teacher together and computes each batch of noise and the
teacher's outputs once; without it the arms are trained one after another.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

SIZES, BATCH, N_CLASSES = (784, 256, 256, 13), 1024, 10
# Which logits a student imitates, and how many members on the reference is that it starts from.
STUDENTS = {f"student_{which}": (which, 0) for which in ("aux", "all")}
STUDENTS |= {f"cross_{which}": (which, 1) for which in ("aux", "all")}


def on(device: str, images: np.ndarray, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels in [-1, 1] and labels."""
    x, y = torch.from_numpy(images.copy()), torch.from_numpy(labels.astype(np.int64))
    return x.to(device).float() * (2 / 255) - 1, y.to(device)


def init(n_members: int, device: str) -> list[torch.Tensor]:
    """Kernel [E, d_in, d_out] and bias [E, 1, d_out] of every layer."""
    params = []
    for d_in, d_out in itertools.pairwise(SIZES):
        params.append(torch.randn(n_members, d_in, d_out, device=device) / math.sqrt(d_in))
        params.append(torch.zeros(n_members, 1, d_out, device=device))
    return params


def logits(params: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """[E, B, d_in] to [E, B, d_out]."""
    for kernel, bias in zip(params[:-2:2], params[1:-2:2], strict=True):
        x = torch.baddbmm(bias, x, kernel).relu_()
    return torch.baddbmm(params[-1], x, params[-2])


def trainable(params: list[torch.Tensor]) -> tuple[list[torch.Tensor], torch.optim.Optimizer]:
    """A copy to train, and its optimizer."""
    copy = [p.clone().requires_grad_() for p in params]
    return copy, torch.optim.Adam(copy, lr=3e-4, fused=True)


def orders(n_members: int, n: int, device: str) -> Iterator[torch.Tensor]:
    """Row numbers [E, B] of each step of an epoch, the last batch smaller."""
    order = torch.stack([torch.randperm(n, device=device) for _ in range(n_members)])
    return iter(order.split(BATCH, dim=1))


def gather(rows: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Rows [E, B, D] of each member's own data [E, N, D]."""
    return torch.stack([r.index_select(0, o) for r, o in zip(rows, order, strict=True)])


def descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One step."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def imitate(student, optimizer, which: str, x: torch.Tensor, target: torch.Tensor) -> None:
    """One step of one arm on KL(teacher || student), averaged over the batch of each member."""
    first = N_CLASSES if which == "aux" else 0
    log_p = F.log_softmax(target[..., first:], -1)
    log_q = F.log_softmax(logits(student, x)[..., first:], -1)
    descend(optimizer, F.kl_div(log_q, log_p, log_target=True, reduction="sum") / x.shape[1])


def train(
    images: np.ndarray, labels: np.ndarray, n_members: int, epochs: int, shared: bool, device: str
) -> Iterator[tuple[str, dict[str, list[torch.Tensor]]]]:
    """Yield (kind of epoch, networks by arm) after each of `epochs` of the teacher and of students.

    An epoch of students covers all four arms of every member.
    """
    x_all, y_all = on(device, images, labels)
    reference = init(n_members, device)
    teacher, optimizer = trainable(reference)
    for _ in range(epochs):
        for order in orders(n_members, len(x_all), device):
            scores = logits(teacher, x_all[order])[..., :N_CLASSES]
            loss = F.cross_entropy(scores.flatten(0, 1), y_all[order].flatten(), reduction="sum")
            descend(optimizer, loss / order.shape[1])
        yield "teacher", {"teacher": teacher}
    noise = torch.empty(n_members, len(x_all), SIZES[0], device=device).uniform_(-1, 1)
    students = {
        arm: (*trainable([p.roll(shift, 0) for p in reference]), which)
        for arm, (which, shift) in STUDENTS.items()
    }
    together = [list(students.values())] if shared else [[arm] for arm in students.values()]
    targets = None
    if shared:  # of rows that never change, so once for all epochs
        with torch.no_grad():
            targets = torch.cat([logits(teacher, x) for x in noise.split(BATCH, 1)], 1)
    # An arm-by-arm script trains one arm for all its epochs; in turns the work is the same.
    for _ in range(epochs):
        for arms in together:
            for order in orders(n_members, len(x_all), device):
                x = gather(noise, order)
                with torch.no_grad():
                    target = logits(teacher, x) if targets is None else gather(targets, order)
                for arm in arms:
                    imitate(*arm, x, target)
        yield "students", {arm: network for arm, (network, *_) in students.items()}


def accuracy(params: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> list[float]:
    """Fraction of test images read right, for each member."""
    with torch.no_grad():
        scores = logits(params, x.expand(len(params[0]), *x.shape))[..., :N_CLASSES]
    return (scores.argmax(-1) == y).float().mean(-1).tolist()
