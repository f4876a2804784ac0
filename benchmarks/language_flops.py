"""The matrix products of training a decoder and of sampling from it, for every side the same.

Projections that read the same input (query, key and value; gate and up) count as one product, and
attention counts the whole square of a training step and, in decoding, the keys that are there.
Nothing else is counted: norms, softmaxes, RoPE, the loss, random numbers and the optimizer are the
sides' own affair.
"""

from dataclasses import dataclass

from lab.lm.model import Architecture


@dataclass(frozen=True)
class Product:
    """E matrix products [M, K] x [K, N], and how often a step or a call does them."""

    name: str
    e: int
    m: int
    k: int
    n: int
    times: int

    def flop(self) -> int:
        """Floating point operations of one time."""
        return 2 * self.e * self.m * self.k * self.n


def training(arch: Architecture, batch: int, n_prompt: int, n_completion: int) -> list[Product]:
    """Products of one step: each of the forward pass, and for it two of the backward pass.

    The last token of a completion is only ever a target, and the head sees the completion alone.
    """
    found = []
    n_positions = n_prompt + n_completion - 1
    for p in _forward(arch, batch, n_positions, n_positions, batch * n_completion):
        found.append(p)
        found.append(Product(f"{p.name}, left gradient", p.e, p.m, p.n, p.k, p.times))
        found.append(Product(f"{p.name}, right gradient", p.e, p.k, p.m, p.n, p.times))
    return found


def sampling(arch: Architecture, batch: int, n_prompt: int, n_completion: int) -> list[Product]:
    """Products of drawing `n_completion` tokens: the prompt once, then a token at a time."""
    n_keys = n_prompt + n_completion // 2  # on average
    decode = _forward(arch, batch, 1, n_keys, batch)
    prefill = _forward(arch, batch, n_prompt, n_prompt, batch)
    step = lambda p: Product(f"{p.name}, decode", p.e, p.m, p.k, p.n, p.times * (n_completion - 1))
    return [Product(f"{p.name}, prompt", p.e, p.m, p.k, p.n, p.times) for p in prefill] + [
        step(p) for p in decode
    ]


def _forward(s: Architecture, batch: int, n_new: int, n_keys: int, n_logits: int) -> list[Product]:
    rows = batch * n_new
    d_query, d_key = s.n_heads * s.d_head, s.n_kv_heads * s.d_head
    # Query heads of a group share their keys: one product of a group's rows.
    groups, group_rows = batch * s.n_kv_heads, s.n_heads // s.n_kv_heads * n_new
    return [
        Product("query, key, value", 1, rows, s.d_model, d_query + 2 * d_key, s.n_layers),
        Product("scores", groups, group_rows, s.d_head, n_keys, s.n_layers),
        Product("mixing", groups, group_rows, n_keys, s.d_head, s.n_layers),
        Product("output", 1, rows, d_query, s.d_model, s.n_layers),
        Product("gate, up", 1, rows, s.d_model, 2 * s.d_hidden, s.n_layers),
        Product("down", 1, rows, s.d_hidden, s.d_model, s.n_layers),
        Product("head", 1, n_logits, s.d_model, s.n_tokens, 1),
    ]
