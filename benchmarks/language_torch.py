"""A decoder of the Qwen2 architecture as a good PyTorch user writes it, in the style of nanoGPT.

Projections that read the same input are one product, queries and keys turn in one go, attention is
PyTorch's own, tokens are drawn by `torch.multinomial`, the optimizer is fused, and the cache of
sampling is allocated once. What is not in the textbook but faster on CPU is `tuned`: attention of
a single new token as two products over the whole cache, and tokens drawn by a running sum, where
`torch.multinomial` draws a number per logit.
"""

from collections.abc import Callable
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import nn

from lab.lm.model import Architecture

Turn = tuple[torch.Tensor, torch.Tensor]  # cosines and sines [B 1 T H]
Cache = list[tuple[torch.Tensor, torch.Tensor]]  # keys and values [B K S H] of each layer


class Layer(nn.Module):
    """Attention and a gated MLP."""

    def __init__(self, s: Architecture, tuned: bool):
        super().__init__()
        self.tuned = tuned
        self.n_heads, self.n_kv_heads, self.d_head = s.n_heads, s.n_kv_heads, s.d_head
        d_query, d_key = s.n_heads * s.d_head, s.n_kv_heads * s.d_head
        self.attention_norm = nn.RMSNorm(s.d_model, s.norm_eps)
        self.qkv = nn.Linear(s.d_model, d_query + 2 * d_key, bias=s.qkv_bias)
        self.output = nn.Linear(d_query, s.d_model, bias=False)
        self.mlp_norm = nn.RMSNorm(s.d_model, s.norm_eps)
        self.gate_up = nn.Linear(s.d_model, 2 * s.d_hidden, bias=False)
        self.down = nn.Linear(s.d_hidden, s.d_model, bias=False)

    def forward(self, x, turn: Turn, mask, cache=None, at=None):
        """Hidden states [B T D] to the same; new keys and values are put into the cache `at`."""
        n_rows, n_new, _ = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(n_rows, n_new, -1, self.d_head).transpose(1, 2)
        n_turned = self.n_heads + self.n_kv_heads
        query, key = rotate(qkv[:, :n_turned], turn).split([self.n_heads, self.n_kv_heads], 1)
        value = qkv[:, n_turned:]
        if cache is not None:
            key, value = (c.index_copy_(2, at, n) for c, n in zip(cache, (key, value), strict=True))
        if self.tuned and n_new == 1:
            query = query.reshape(n_rows, self.n_kv_heads, -1, self.d_head)
            scores = query @ key.transpose(2, 3) * self.d_head**-0.5 + mask
            mixed = (scores.softmax(-1) @ value).view(n_rows, 1, -1)
        else:
            attend = F.scaled_dot_product_attention
            mixed = attend(query, key, value, attn_mask=mask, enable_gqa=True)
            mixed = mixed.transpose(1, 2).reshape(n_rows, n_new, -1)
        x = x + self.output(mixed)
        gate, up = self.gate_up(self.mlp_norm(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


def rotate(x: torch.Tensor, turn: Turn) -> torch.Tensor:
    """RoPE on heads [B N T H]."""
    first, second = x.chunk(2, -1)
    return x * turn[0] + torch.cat([-second, first], -1) * turn[1]


class Decoder(nn.Module):
    """Rows are padded on the left; `start` [B] is the index of the first real token."""

    def __init__(self, s: Architecture, tuned: bool):
        super().__init__()
        self.arch, self.tuned = s, tuned
        self.embed = nn.Embedding(s.n_tokens, s.d_model)
        self.layers = nn.ModuleList(Layer(s, tuned) for _ in range(s.n_layers))
        self.norm = nn.RMSNorm(s.d_model, s.norm_eps)
        self.head = nn.Linear(s.d_model, s.n_tokens, bias=False)
        if s.tied:
            self.head.weight = self.embed.weight
        frequency = s.rope_theta ** (-torch.arange(0, s.d_head, 2) / s.d_head)
        self.register_buffer("frequency", torch.cat([frequency, frequency]))

    def forward(self, tokens, start, cache: Cache | None = None, at=None):
        """The normed hidden states [B T D] of tokens [B T] at the positions `at` [T]."""
        at = torch.arange(tokens.shape[1], device=tokens.device) if at is None else at
        keys = torch.arange(cache[0][0].shape[2], device=tokens.device) if cache else at
        position = (at[None] - start[:, None]).clamp(min=0)
        angle = position[:, None, :, None] * self.frequency
        turn = angle.cos(), angle.sin()
        # Padding sees itself: rows of a softmax must not be empty.
        own = keys == at[:, None]
        seen = own | ((keys < at[:, None]) & (keys >= start[:, None, None]))
        mask = torch.zeros(seen.shape, device=tokens.device).masked_fill(~seen, float("-inf"))
        x = self.embed(tokens)
        for i, layer in enumerate(self.layers):
            x = layer(x, turn, mask[:, None], cache[i] if cache else None, at)
        return self.norm(x)

    def loss(self, prompts, start, completions) -> torch.Tensor:
        """Cross-entropy of the completions [B C] after prompts [B P]; targets below 0 are none."""
        tokens = torch.cat([prompts, completions[:, :-1].clamp(min=0)], 1)
        hidden = self.forward(tokens, start)[:, prompts.shape[1] - 1 :]
        targets = completions.flatten()
        return F.cross_entropy(self.head(hidden).flatten(0, 1), targets, ignore_index=-1)

    def draw(self, tokens, start, cache: Cache, at) -> torch.Tensor:
        """A token [B] after the last of these, from the whole distribution at temperature 1."""
        probabilities = self.head(self.forward(tokens, start, cache, at)[:, -1]).softmax(-1)
        if not self.tuned:
            return torch.multinomial(probabilities, 1)[:, 0]
        running = probabilities.cumsum(-1)
        target = torch.rand(len(tokens), 1, device=tokens.device) * running[:, -1:]
        drawn = torch.searchsorted(running, target, right=True)[:, 0]
        return drawn.clamp(max=running.shape[1] - 1)

    def empty_cache(self, n_rows: int, n_positions: int) -> Cache:
        """Room for keys and values of every layer."""
        size = (n_rows, self.arch.n_kv_heads, n_positions, self.arch.d_head)
        room = lambda: torch.zeros(size, device=self.embed.weight.device)
        return [(room(), room()) for _ in self.layers]


def load(folder: Path, arch: Architecture, tuned: bool) -> Decoder:
    """The decoder with the parameters of a Hugging Face folder."""
    stored = safetensors.torch.load_file(folder / "model.safetensors")
    layer = lambda i, part, kind="weight": stored[f"model.layers.{i}.{part}.{kind}"]
    state = {
        "embed.weight": stored["model.embed_tokens.weight"],
        "norm.weight": stored["model.norm.weight"],
        "head.weight": stored[f"{'model.embed_tokens' if arch.tied else 'lm_head'}.weight"],
    }
    for i in range(arch.n_layers):
        qkv = [f"self_attn.{name}_proj" for name in "qkv"]
        parts = {
            "attention_norm.weight": layer(i, "input_layernorm"),
            "qkv.weight": torch.cat([layer(i, name) for name in qkv]),
            "qkv.bias": torch.cat([layer(i, name, "bias") for name in qkv]),
            "output.weight": layer(i, "self_attn.o_proj"),
            "mlp_norm.weight": layer(i, "post_attention_layernorm"),
            "gate_up.weight": torch.cat([layer(i, "mlp.gate_proj"), layer(i, "mlp.up_proj")]),
            "down.weight": layer(i, "mlp.down_proj"),
        }
        state |= {f"layers.{i}.{name}": value for name, value in parts.items()}
    model = Decoder(arch, tuned)
    model.load_state_dict(state, strict=False)  # frequencies are not stored
    return model


def train_step(model: Decoder, compiled: bool, learning_rate: float = 1e-3) -> Callable[..., None]:
    """A function that takes a batch (prompts, start, completions) and does one step of Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
    loss = torch.compile(model.loss, dynamic=False) if compiled else model.loss

    def step(*batch: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss(*batch).backward()
        optimizer.step()

    return step


def sampler(model: Decoder, compiled: bool) -> Callable[..., torch.Tensor]:
    """A function of prompts [B P], start [B] and n that draws n tokens after each prompt, [B n]."""
    draw = torch.compile(model.draw, dynamic=False) if compiled else model.draw

    # A compiled function that was traced in inference mode cannot be shared with training.
    @torch.no_grad() if compiled else torch.inference_mode()
    def sample(prompts: torch.Tensor, start: torch.Tensor, n_new: int) -> torch.Tensor:
        n_rows, n_prompt = prompts.shape
        cache = model.empty_cache(n_rows, n_prompt + n_new)
        places = torch.arange(n_prompt + n_new, device=prompts.device)
        tokens = [draw(prompts, start, cache, places[:n_prompt])]
        for i in range(n_prompt, n_prompt + n_new - 1):
            tokens.append(draw(tokens[-1][:, None], start, cache, places[i : i + 1]))
        return torch.stack(tokens, 1)

    return sample


def matmul_rate(e: int, m: int, k: int, n: int, repeat: int, device: str = "cpu") -> float:
    """FLOP/s of E products [M K] x [K N], best of several runs of `repeat` different ones."""
    from benchmarks.timing import best

    a = torch.randn(repeat, e, m, k, device=device)
    b = torch.randn(e, k, n, device=device)
    a, b = (a[:, 0], b[0]) if e == 1 else (a, b)
    y = torch.empty(*a.shape[:-1], n, device=device)

    def call() -> None:
        with torch.inference_mode():
            for i in range(repeat):
                torch.matmul(a[i], b, out=y[i])
        if device == "cuda":
            torch.cuda.synchronize()

    return 2 * repeat * e * m * k * n / best(call)
