"""The shapes, the cases, and what a case must read and multiply, for every side the same."""

from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np

from lab.lm import costs, hf, transformer
from lab.lm.hf import Dtype
from lab.lm.model import Architecture, Size
from lab.lm.plan import QWEN_7B

N_PROMPT, N_NEW = 64, 32
RANK, ALPHA, RATE = 8, 8.0, 2e-4
STREAMED = 2**28  # numbers that are read to measure the bandwidth, 1 GB

_QWEN_HALF_B = Size(896, 24, 14, 2, 64, 4864).with_tokens(151_936)
SHAPES = {
    name: replace(arch, rope_theta=1e6, n_positions=32_768, norm_eps=1e-6)
    for name, arch in {"0.5b": _QWEN_HALF_B, "7b": QWEN_7B}.items()
}


@dataclass(frozen=True)
class Case:
    """A shape and a number type; rows that are written together, or a step of LoRA's."""

    kind: str  # "decode" or "lora"
    shape: str
    dtype: Dtype
    batch: int
    n_tokens: int = 128  # of a row of LoRA, the first half of it the prompt

    @property
    def arch(self) -> Architecture:
        """What both sides load."""
        return SHAPES[self.shape]

    @property
    def n_bytes(self) -> int:
        """Of the weights that a pass reads: all, but of an embedding that is only looked up."""
        looked_up = 0 if self.arch.tied else self.arch.n_tokens * self.arch.d_model
        return np.dtype(self.dtype).itemsize * (costs.n_parameters(self.arch) - looked_up)

    @property
    def flop(self) -> float:
        """Of a step: what a frozen base and its adapters need at least, and no more is counted.

        Forward and back through every frozen kernel (no gradient of it), three products of each
        factor of the adapters, attention over half the square, logits of the completions alone.
        What is computed twice to save memory does not count.
        """
        n = self.n_tokens // 2
        return self.batch * costs.training(self.arch, RANK, n, n)

    def prompts(self) -> np.ndarray:
        """Token numbers [batch, N_PROMPT], or [batch, n_tokens] of whole rows to learn."""
        width = N_PROMPT if self.kind == "decode" else self.n_tokens
        random = np.random.default_rng(0)
        return random.integers(0, self.arch.n_tokens, (self.batch, width), dtype=np.int32)


CPU = {
    "decode-float32-1": Case("decode", "0.5b", "float32", 1),
    "decode-float32-8": Case("decode", "0.5b", "float32", 8),
    "decode-bfloat16-1": Case("decode", "0.5b", "bfloat16", 1),
    "decode-bfloat16-8": Case("decode", "0.5b", "bfloat16", 8),
    "lora-float32-4": Case("lora", "0.5b", "float32", 4),
}
GPU = {
    f"{shape}-decode-{batch}": Case("decode", shape, "bfloat16", batch)
    for shape in SHAPES
    for batch in (1, 8, 64)
} | {
    "0.5b-lora-32": Case("lora", "0.5b", "bfloat16", 32, 512),
    "7b-lora-8": Case("lora", "7b", "bfloat16", 8, 512),
}
CASES = CPU | GPU


def save(folder: Path, shape: str) -> None:
    """A folder as on the hub, in bfloat16: config.json, and weights that are always alike."""
    arch = SHAPES[shape]
    folder.mkdir(parents=True)
    hf.save(folder, arch, transformer.init(jax.random.key(0), arch), "bfloat16")
