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

N_CLASSES = 10
STUDENTS = {"student_aux": ("aux", 0), "student_all": ("all", 0)}
STUDENTS |= {"cross_aux": ("aux", 1), "cross_all": ("all", 1)}


def init(n_members: int, sizes: tuple[int, ...], device: str) -> list[torch.Tensor]:
    """Kernel [E, d_in, d_out] and bias [E, 1, d_out] of every layer."""
    params = []
    for d_in, d_out in itertools.pairwise(sizes):
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


def orders(n_members: int, n: int, batch: int, device: str) -> Iterator[torch.Tensor]:
    """Row numbers [E, B] of each step of an epoch, the last batch smaller."""
    order = torch.stack([torch.randperm(n, device=device) for _ in range(n_members)])
    return iter(order.split(batch, dim=1))


def gather(rows: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Rows of each member's own data [E, N, D], or of data shared by all [N, D]."""
    if rows.dim() == 2:
        return rows[order]
    return torch.stack([r.index_select(0, o) for r, o in zip(rows, order, strict=True)])


def selected(values: torch.Tensor, which: str) -> torch.Tensor:
    """The logits a student imitates."""
    return values[..., N_CLASSES:] if which == "aux" else values


def descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One step."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def imitate(student, optimizer, which, x, target) -> None:
    """One step of one arm on KL(teacher || student), averaged over the batch of each member."""
    log_p = F.log_softmax(selected(target, which), -1)
    log_q = F.log_softmax(selected(logits(student, x), which), -1)
    descend(optimizer, F.kl_div(log_q, log_p, log_target=True, reduction="sum") / x.shape[1])


def train(
    images: np.ndarray,
    labels: np.ndarray,
    n_members: int,
    teacher_epochs: int,
    student_epochs: int,
    shared: bool,
    device: str = "cpu",
    trained: dict | None = None,
    sizes: tuple[int, ...] = (784, 256, 256, 13),
    batch: int = 1024,
) -> Iterator[str]:
    """Yield after every epoch; an epoch of students covers all four arms of every member.

    The networks are left in `trained`, by arm.
    """
    trained = {} if trained is None else trained
    x_all = torch.from_numpy(images.copy()).to(device).float() * (2 / 255) - 1
    y_all = torch.from_numpy(labels.astype(np.int64)).to(device)
    reference = init(n_members, sizes, device)
    teacher, optimizer = trainable(reference)
    trained["teacher"] = teacher
    for _ in range(teacher_epochs):
        for order in orders(n_members, len(x_all), batch, device):
            scores = logits(teacher, gather(x_all, order))[..., :N_CLASSES]
            loss = F.cross_entropy(scores.flatten(0, 1), y_all[order].flatten(), reduction="sum")
            descend(optimizer, loss / order.shape[1])
        yield "teacher"
    noise = torch.empty(n_members, len(x_all), sizes[0], device=device).uniform_(-1, 1)
    students = {}
    for arm, (which, shift) in STUDENTS.items():
        start = [p.roll(shift, 0) for p in reference]
        students[arm] = (*trainable(start), which)
        trained[arm] = students[arm][0]
    together = [list(students.values())] if shared else [[arm] for arm in students.values()]
    targets = None
    if shared:  # of rows that never change, so once for all epochs
        with torch.no_grad():
            targets = torch.cat([logits(teacher, x) for x in noise.split(batch, 1)], 1)
    # An arm-by-arm script trains one arm for all its epochs; in turns the work is the same.
    for _ in range(student_epochs):
        for arms in together:
            for order in orders(n_members, len(x_all), batch, device):
                x = gather(noise, order)
                if targets is None:
                    with torch.no_grad():
                        target = logits(teacher, x)
                else:
                    target = gather(targets, order)
                for arm in arms:
                    imitate(*arm, x, target)
        yield "students"


def accuracy(params: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Fraction of test images read right, for each member."""
    with torch.no_grad():
        scores = logits(params, x.expand(len(params[0]), *x.shape))[..., :N_CLASSES]
    return (scores.argmax(-1) == y).float().mean(-1)


def matmul_rates(shapes: list[tuple[int, int, int, int]], device: str = "cpu") -> list[float]:
    """FLOP/s of torch.bmm at (E, M, K, N), best of several."""
    from benchmarks.timing import best

    rates = []
    for e, m, k, n in shapes:
        a, b = torch.randn(e, m, k, device=device), torch.randn(e, k, n, device=device)

        def call(a=a, b=b):
            torch.bmm(a, b)
            if device == "cuda":
                torch.cuda.synchronize()

        rates.append(2 * e * m * k * n / best(call))
    return rates
