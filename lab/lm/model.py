"""A language model: the sizes of its decoder, its parameters, its tokenizer."""

from dataclasses import asdict, dataclass
from typing import Literal

from jaxtyping import PyTree

from lab.errors import LabError
from lab.lm.rope import Scaling
from lab.lm.tokenizer import Tokenizer


@dataclass(frozen=True)
class Size:
    """What does not follow from the tokenizer, in the letters of the design: D, N, K, H, F."""

    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    n_kv_heads: int = 2
    d_head: int = 16
    d_hidden: int = 192
    tied: bool = True

    def with_tokens(self, n_tokens: int) -> "Architecture":
        """A decoder of this size, over V tokens."""
        return Architecture(**asdict(self), n_tokens=n_tokens)


Activation = Literal["silu", "gelu", "gelu_tanh"]


@dataclass(frozen=True, kw_only=True)
class Architecture(Size):
    """A size and the rest; defaults are those of models from scratch.

    Raises `LabError` for sizes that do not fit together.
    """

    n_tokens: int
    family: str = "qwen2"  # of checkpoints, that its files are written as
    n_positions: int = 1024  # most tokens of a row, padding included
    norm: Literal["rms", "layer"] = "rms"  # "layer" is centred first, and has a bias
    norm_eps: float = 1e-6
    norm_offset: float = 0.0  # added to the scales of norms: Gemma stores them less 1
    qk_norm: bool = False  # of each head's query and key
    post_norms: bool = False  # of what attention and MLP add to the residual stream too
    parallel: bool = False  # attention and MLP read the same residual stream
    activation: Activation = "silu"
    gated: bool = True
    qkv_bias: bool = True
    output_bias: bool = False
    mlp_bias: bool = False
    embed_scale: float = 1.0
    learned_positions: bool = False  # a vector each, in place of RoPE
    rope_theta: float = 1e4
    rope_scaling: Scaling | None = None
    d_rotary: int | None = None  # numbers of a head that RoPE turns; None: all
    query_scale: float | None = None  # of scores; None: 1 / sqrt(d_head)
    local_layers: tuple[int, ...] = ()  # attend to the last `window` tokens alone
    window: int = 0
    local_theta: float = 1e4  # RoPE of those layers, never scaled
    # Of training alone. What is inside of a layer is computed again for its gradient, not kept.
    remat: bool = False
    fused: bool = False  # attention is one kernel where the backend has it

    @property
    def n_turned(self) -> int:
        """Numbers of a head that RoPE turns."""
        return self.d_head if self.d_rotary is None else self.d_rotary

    def __post_init__(self):
        for name in ("n_tokens", "d_model", "n_layers", "n_heads", "n_kv_heads", "d_hidden"):
            if getattr(self, name) < 1:
                raise LabError(f"{name}: {getattr(self, name)} is not positive; use 1 or more")
        if self.n_heads % self.n_kv_heads:
            raise LabError(
                f"n_kv_heads: {self.n_kv_heads} does not divide n_heads {self.n_heads}; "
                "use a divisor"
            )
        if self.d_head % 2 or self.d_head < 2:
            raise LabError(f"d_head: {self.d_head} is not even; RoPE turns pairs of numbers")
        if self.n_turned % 2 or not 2 <= self.n_turned <= self.d_head:
            raise LabError(f"d_rotary: {self.d_rotary} is not even, or not in 2 to {self.d_head}")
        if self.local_layers and self.window < 1:
            raise LabError(f"window: {self.window} of local layers is not positive; use 1 or more")


@dataclass(frozen=True)
class Gpt2Size(Size):
    """A size with GPT-2's block: centred norms, learned positions, no gate, a bias everywhere."""

    def with_tokens(self, n_tokens: int) -> Architecture:
        """A decoder of this size, over V tokens."""
        return Architecture(
            **asdict(self),
            n_tokens=n_tokens,
            family="gpt2",
            n_positions=256,
            norm="layer",
            norm_eps=1e-5,
            activation="gelu_tanh",
            gated=False,
            output_bias=True,
            mlp_bias=True,
            learned_positions=True,
        )


# Parameters with the world's vocabulary, tied: 0.1, 0.1, 0.2, 1, 6 and 30 million. The last four
# are "nano" with one thing changed: an array that both have starts alike.
SIZES = {
    "nano": Size(32, 2, 4, 2, 8, 96),
    "deep": Size(32, 4, 4, 2, 8, 96),
    "tiny": Size(),
    "small": Size(128, 4, 4, 2, 32, 384),
    "medium": Size(256, 6, 8, 4, 32, 768),
    "large": Size(512, 10, 8, 4, 64, 1408),
    "nano_heads": Size(32, 2, 2, 1, 16, 96),
    "nano_untied": Size(32, 2, 4, 2, 8, 96, tied=False),
    "nano_hidden": Size(32, 2, 4, 2, 8, 128),
    "nano_gpt2": Gpt2Size(32, 2, 4, 4, 8, 96),
}


@dataclass(frozen=True)
class Model:
    """A language model with its tokenizer."""

    arch: Architecture
    params: PyTree
    tokenizer: Tokenizer

    def __post_init__(self):
        if self.tokenizer.n_tokens > self.arch.n_tokens:
            raise LabError(
                f"tokenizer: it has {self.tokenizer.n_tokens} tokens and the model "
                f"{self.arch.n_tokens}; take both from the same place"
            )
