"""The cases, and the matrix products of training and of sampling, for every side the same.

Projections that read the same input (query, key and value; gate and up) count as one product, and
attention counts the whole square of a training step and, in decoding, the keys that are there.
Nothing else is counted: norms, softmaxes, RoPE, the loss, random numbers and the optimizer are the
sides' own affair.
"""

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.timing import Product
from lab.lm.model import SIZES, Architecture

N_PROMPT, N_COMPLETION = 30, 22
KINDS = ("training", "sampling")


@dataclass(frozen=True)
class Case:
    """A model and a batch size, and how many steps or calls of either kind are one turn."""

    arch: Architecture
    batch: int
    n_steps: int
    n_calls: int

    def n_tokens(self, kind: str) -> int:
        """In a turn: those that went through the layers in training, those drawn in sampling."""
        if kind == "training":
            return self.n_steps * self.batch * (N_PROMPT + N_COMPLETION - 1)
        return self.n_calls * self.batch * N_COMPLETION

    def rows(self) -> tuple[np.ndarray, ...]:
        """Prompts, start, completions, length: random, a turn's worth but at most 50 batches."""
        random = np.random.default_rng(0)
        n = self.batch * min(self.n_steps, 50)
        draw = lambda low, high, *size: random.integers(low, high, size, dtype=np.int32)
        return (
            draw(0, self.arch.n_tokens, n, N_PROMPT),
            draw(0, N_PROMPT // 2, n),
            draw(0, self.arch.n_tokens, n, N_COMPLETION),
            draw(N_COMPLETION // 2, N_COMPLETION + 1, n),
        )

    def products(self, kind: str) -> list[Product]:
        """Of a turn."""
        if kind == "training":
            # The last token of a completion is only ever a target; only completions have logits.
            width, found = N_PROMPT + N_COMPLETION - 1, []
            for p in self._forward(self.n_steps, width, width, N_COMPLETION):
                found.append(p)
                found.append(replace(p, name=f"{p.name}, left gradient", k=p.n, n=p.k))
                found.append(replace(p, name=f"{p.name}, right gradient", m=p.k, k=p.m))
            return found
        n_keys = N_PROMPT + N_COMPLETION // 2  # on average
        prompt = self._forward(self.n_calls, N_PROMPT, N_PROMPT, 1)
        return prompt + self._forward(self.n_calls * (N_COMPLETION - 1), 1, n_keys, 1)

    def _forward(self, times: int, n_new: int, n_keys: int, n_logits: int) -> list[Product]:
        s, rows = self.arch, self.batch * n_new
        d_query, d_key, every = s.n_heads * s.d_head, s.n_kv_heads * s.d_head, times * s.n_layers
        # Query heads of a group share their keys: one product of a group's rows.
        groups, group_rows = self.batch * s.n_kv_heads, s.n_heads // s.n_kv_heads * n_new
        return [
            Product("query, key, value", 1, rows, s.d_model, d_query + 2 * d_key, every),
            Product("scores", groups, group_rows, s.d_head, n_keys, every),
            Product("mixing", groups, group_rows, n_keys, s.d_head, every),
            Product("output", 1, rows, d_query, s.d_model, every),
            Product("gate, up", 1, rows, s.d_model, 2 * s.d_hidden, every),
            Product("down", 1, rows, s.d_hidden, s.d_model, every),
            Product("head", 1, self.batch * n_logits, s.d_model, s.n_tokens, times),
        ]


TINY, MEDIUM = (SIZES[name].with_tokens(1700) for name in ("tiny", "medium"))
CASES = {
    "tiny-1": Case(TINY, 1, 500, 100),
    "tiny-64": Case(TINY, 64, 50, 20),
    "tiny-1024": Case(TINY, 1024, 5, 2),
    "medium-64": Case(MEDIUM, 64, 5, 3),
}
