"""A language model: the sizes of its decoder, its parameters, its tokenizer."""

from dataclasses import asdict, dataclass

from jaxtyping import PyTree

from lab.errors import LabError
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


# Parameters with the world's vocabulary, tied: 0.1, 0.2, 1, 6 and 30 million.
SIZES = {
    "nano": Size(32, 2, 4, 2, 8, 96),
    "tiny": Size(),
    "small": Size(128, 4, 4, 2, 32, 384),
    "medium": Size(256, 6, 8, 4, 32, 768),
    "large": Size(512, 10, 8, 4, 64, 1408),
}


@dataclass(frozen=True, kw_only=True)
class Architecture(Size):
    """A size and the rest. Raises `LabError` for sizes that do not fit together."""

    n_tokens: int
    rope_theta: float = 1e4
    norm_eps: float = 1e-6
    qkv_bias: bool = True

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
