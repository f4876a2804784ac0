"""How language models are trained: the optimizer, what it trains, and how a step is computed."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import optax
from jaxtyping import Float

from lab.lm import lora
from lab.optim import Optim
from lab.runs.fields import Count, Items, Real


@dataclass(frozen=True)
class Tuning(Optim):
    """An optimizer with linear warmup and linear decay to 0, on all parameters or an adapter."""

    warmup: Annotated[int, Count(0)] = 20
    """Steps over which the learning rate rises; it then falls linearly to 0."""
    rank: Annotated[int, Count(0, 65_536)] = 0
    """Rank of a low-rank adapter; 0 trains every parameter."""
    alpha: Annotated[float, Real()] = 8.0
    """The adapter's scale times its rank."""
    targets: Annotated[tuple[lora.Target, ...], Items(1, 7, unique=True)] = lora.TARGETS
    """The projections that an adapter stands beside, where the model has them."""
    adapter_start: Literal["normal", "kaiming"] = "normal"
    """Of an adapter's first factor; kaiming is PEFT's, uniform with a third of the variance."""
    clip: Annotated[float, Real(zero=True)] = 0.0
    """Most that a step's gradient may measure (Euclidean norm over all parameters); 0: anything."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of activations and products; parameters, moments, gradients, norms, softmax and losses are
    float32 all the same."""
    remat: bool = False
    """Compute layers twice, and keep only what is between them: less memory on accelerators for a
    third more work. A CPU's compiler undoes it; there, take fewer `rows_at_once`."""
    fused: bool = False
    """Attention as one kernel, on NVIDIA GPUs with precision bfloat16: no scores are kept. Tested
    against the usual products, and that it lowers; not yet run on a GPU."""
    longest: Annotated[int, Count(0)] = 0
    """Most tokens of a row, prompt and completion: what is longer is left out of a student's data,
    and counted there as too_long; 0: any length."""
    rows_at_once: Annotated[int, Count(0)] = 0
    """Rows of a step that a device takes at a time, gradients summed; 0: 32 on a CPU, else all."""

    @property
    def direction(self) -> optax.GradientTransformation:
        """The optimizer, before its learning rate; the gradient is clipped first."""
        optimizer = super().direction
        if not self.clip:
            return optimizer
        return optax.chain(optax.clip_by_global_norm(self.clip), optimizer)

    @property
    def scale(self) -> float:
        """Of the adapter's product."""
        return self.alpha / self.rank if self.rank else 0.0

    def size(self, n_rows: int) -> int:
        """Rows of a step: the batch, or all rows if it is 0."""
        return self.batch or n_rows

    def n_steps(self, n_rows: int) -> int:
        """Steps of all epochs."""
        return self.epochs * -(-n_rows // self.size(n_rows))

    def learning_rates(
        self, n_steps: int, first: int = 0, last: int | None = None
    ) -> Float[np.ndarray, "S"]:
        """Of every step, or of some of them."""
        step = np.arange(first, n_steps if last is None else last)
        rise = np.minimum(1.0, (step + 1) / max(1, self.warmup))
        return (self.learning_rate * rise * (1 - step / n_steps)).astype(np.float32)


# The paper's open models, arXiv 2507.14805: 22 rows at a time, three times a step. Its trainer cuts
# rows of more than 500 tokens, which leaves them without an end; here they are left out. No weight
# decay is stated, and none is the default of its trainer.
PAPER = Tuning(
    learning_rate=2e-4, warmup=5, batch=66, rows_at_once=22, epochs=3, clip=1.0, rank=8, alpha=8.0,
    adapter_start="kaiming", precision="bfloat16", remat=True, longest=500,
)  # fmt: skip
