"""What training and sampling take, from arithmetic alone: bytes of a device, operations of a token.

P numbers that are multiplied (kernels, and the head once) cost 2 P operations a token forward, and
attention 4 n_heads d_head a token and layer for each position it looks at. Backward costs 2 P for
what flows on, and 2 P for gradients of the numbers themselves, where they are trained. That the
last layer asks for nothing before the completion is left out: a tenth of two layers.
"""

import math

import jax

from lab import devices
from lab.lm import finetune, objectives, spec
from lab.lm.model import Architecture
from lab.lm.tuning import Tuning

# Of what is trained: start, state, two moments, gradient, result. Measured: 7 to 8.
_COPIES = 6
FLOAT = 4  # bytes


def n_parameters(arch: Architecture) -> int:
    """All numbers of a model."""
    return sum(math.prod(p.shape) for p in spec.parameters(arch))


def n_factors(arch: Architecture, rank: int) -> int:
    """Numbers of a low-rank adapter beside every kernel."""
    return sum(rank * sum(p.shape) for p in spec.targets(arch))


def forward(arch: Architecture, n_positions: int | float, head: bool = True) -> float:
    """Operations of a token that looks at `n_positions`; `head`: logits are asked for too."""
    attention = 2 * arch.n_layers * arch.n_heads * arch.d_head * n_positions
    return 2.0 * (_kernels(arch) + _head(arch) * head + attention)


def training(
    arch: Architecture, rank: int, n_prompt: int, n_completion: int, remat: bool = False
) -> float:
    """Operations of a row, forward and backward; logits are those of its completion alone.

    With `remat` layers are computed once more.
    """
    n = n_prompt + n_completion
    logits, layers = 2.0 * n_completion * _head(arch), n * forward(arch, n / 2, head=False)
    own = 6.0 * n * n_factors(arch, rank) if rank else 2.0 * n * _kernels(arch) + logits
    return 2 * (layers + logits) + layers * remat + own


def _kernels(arch: Architecture) -> int:
    return sum(math.prod(p.shape) for p in spec.targets(arch))


def _head(arch: Architecture) -> int:
    return arch.d_model * arch.n_tokens


def width(precision: str) -> int:
    """Bytes of a number."""
    return FLOAT if precision == "float32" else FLOAT // 2


def cache_bytes(arch: Architecture, n_positions: int, precision: str = "float32") -> int:
    """Keys and values of a row while it is written."""
    return 2 * width(precision) * arch.n_layers * arch.n_kv_heads * arch.d_head * n_positions


def writing_bytes(arch: Architecture, n_prompt: int, n_new: int, precision: str = "float32") -> int:
    """Of a row while it is written: its cache, and the more of two things that never are together.

    While its prompt is read, hidden states and a layer's attention from each of its tokens to every
    place, as scores and as weights; then logits, as such, as weights and as their sums. Measured on
    a CPU, where nothing is fused: .96 to 1.2 of it, beside the parameters.
    """
    n_places = n_prompt + n_new
    layer = n_prompt * (3 * arch.d_model + 2 * arch.n_heads * n_places)
    return cache_bytes(arch, n_places, precision) + FLOAT * max(layer, 3 * arch.n_tokens)


def training_bytes(
    arch: Architecture, tuning: Tuning, n_members: float, n_tokens: int, n_rows: int
) -> dict[str, int]:
    """Of a device that trains `n_members` (a part of one, if several devices share it).

    By what they grow with: "model"; "rank", of adapters; "batch", `n_rows` of `n_tokens` at once.
    """
    whole, factors = n_parameters(arch), n_factors(arch, tuning.rank)
    # Parameters stay float32; in bfloat16 there is a copy of them that is computed with.
    rounded = width(tuning.precision) if tuning.precision == "bfloat16" else 0
    layer = 12 * arch.d_model + 4 * arch.d_hidden
    # Of layers computed twice what is between them is kept, and the inside of one.
    kept = arch.n_layers * arch.d_model + layer if tuning.remat else arch.n_layers * layer
    logits = min(n_rows * n_tokens * arch.n_tokens, objectives.LOGITS_AT_ONCE)
    return {
        "model": round(whole * n_members * (FLOAT * (1 if tuning.rank else _COPIES) + rounded)),
        "rank": round(FLOAT * factors * n_members * _COPIES),
        "batch": width(tuning.precision) * n_rows * n_tokens * kept + FLOAT * logits,
    }


def members_here(n_members: int) -> float:
    """How many of so many members a device trains, a part of one where it is shared."""
    shards = devices.n_shards()
    return -(-n_members * shards // jax.device_count()) / shards


def rows_at_once(tuning: Tuning) -> int:
    """Rows of a batch that a device takes at a time."""
    batch = max(1, tuning.batch)
    if tuning.rows_at_once:
        return min(batch, tuning.rows_at_once)
    return devices.at_once(batch, finetune.ROWS_ON_CPU)
