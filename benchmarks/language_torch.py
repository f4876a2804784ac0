"""A decoder of the Qwen2 architecture as a good PyTorch user writes it, in the style of nanoGPT.

Projections that read the same input are one product, queries and keys turn in one go, attention is
PyTorch's own, tokens are drawn by `torch.multinomial`, the optimizer is fused, and the cache of
sampling is allocated once. What is not in the textbook but faster on CPU is `tuned`: attention of
a single new token as two products over the whole cache, and tokens drawn by a running sum, where
`torch.multinomial` draws a number per logit.
"""

import re
from collections.abc import Callable
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.language_flops import N_COMPLETION, Case
from lab.lm.model import Architecture

Turn = tuple[torch.Tensor, torch.Tensor]  # cosines and sines [B 1 T H]
Cache = list[tuple[torch.Tensor, torch.Tensor]]  # keys and values [B K S H] of each layer


class Layer(nn.Module):
    """Attention and a gated MLP; names are Hugging Face's, but for projections that are one."""

    def __init__(self, s: Architecture, tuned: bool):
        super().__init__()
        self.tuned = tuned
        self.n_heads, self.n_kv_heads, self.d_head = s.n_heads, s.n_kv_heads, s.d_head
        d_query, d_key = s.n_heads * s.d_head, s.n_kv_heads * s.d_head
        self.input_layernorm = nn.RMSNorm(s.d_model, s.norm_eps)
        self.kqv = nn.Linear(s.d_model, d_query + 2 * d_key, bias=s.qkv_bias)
        self.o_proj = nn.Linear(d_query, s.d_model, bias=False)
        self.post_attention_layernorm = nn.RMSNorm(s.d_model, s.norm_eps)
        self.gate_up = nn.Linear(s.d_model, 2 * s.d_hidden, bias=False)
        self.down_proj = nn.Linear(s.d_hidden, s.d_model, bias=False)

    def forward(self, x, turn: Turn, mask, cache=None, at=None):
        """Hidden states [B T D] to the same; new keys and values are put into the cache `at`."""
        n_rows, n_new, _ = x.shape
        kqv = self.kqv(self.input_layernorm(x)).view(n_rows, n_new, -1, self.d_head).transpose(1, 2)
        n_turned = self.n_kv_heads + self.n_heads
        key, query = rotate(kqv[:, :n_turned], turn).split([self.n_kv_heads, self.n_heads], 1)
        value = kqv[:, n_turned:]
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
        x = x + self.o_proj(mixed)
        gate, up = self.gate_up(self.post_attention_layernorm(x)).chunk(2, -1)
        return x + self.down_proj(F.silu(gate) * up)


def rotate(x: torch.Tensor, turn: Turn) -> torch.Tensor:
    """RoPE on heads [B N T H]."""
    first, second = x.chunk(2, -1)
    return x * turn[0] + torch.cat([-second, first], -1) * turn[1]


class Decoder(nn.Module):
    """Rows are padded on the left; `start` [B] is the index of the first real token."""

    def __init__(self, s: Architecture, tuned: bool):
        super().__init__()
        self.arch, self.tuned = s, tuned
        self.embed_tokens = nn.Embedding(s.n_tokens, s.d_model)
        self.layers = nn.ModuleList(Layer(s, tuned) for _ in range(s.n_layers))
        self.norm = nn.RMSNorm(s.d_model, s.norm_eps)
        self.lm_head = nn.Linear(s.d_model, s.n_tokens, bias=False)
        if s.tied:
            self.lm_head.weight = self.embed_tokens.weight
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
        x = self.embed_tokens(tokens)
        for i, layer in enumerate(self.layers):
            x = layer(x, turn, mask[:, None], cache[i] if cache else None, at)
        return self.norm(x)

    def loss(self, prompts, start, completions) -> torch.Tensor:
        """Cross-entropy of the completions [B C] after prompts [B P]; targets below 0 are none."""
        tokens = torch.cat([prompts, completions[:, :-1].clamp(min=0)], 1)
        hidden = self.forward(tokens, start)[:, prompts.shape[1] - 1 :]
        targets = completions.flatten()
        return F.cross_entropy(self.lm_head(hidden).flatten(0, 1), targets, ignore_index=-1)

    def draw(self, tokens, start, cache: Cache, at) -> torch.Tensor:
        """A token [B] after the last of these, from the whole distribution at temperature 1."""
        probabilities = self.lm_head(self.forward(tokens, start, cache, at)[:, -1]).softmax(-1)
        if not self.tuned:
            return torch.multinomial(probabilities, 1)[:, 0]
        running = probabilities.cumsum(-1)
        target = torch.rand(len(tokens), 1, device=tokens.device) * running[:, -1:]
        drawn = torch.searchsorted(running, target, right=True)[:, 0]
        return drawn.clamp(max=running.shape[1] - 1)

    def empty_cache(self, n_rows: int, n_positions: int) -> Cache:
        """Room for keys and values of every layer."""
        size = (n_rows, self.arch.n_kv_heads, n_positions, self.arch.d_head)
        room = lambda: torch.zeros(size, device=self.embed_tokens.weight.device)
        return [(room(), room()) for _ in self.layers]


def load(folder: Path, arch: Architecture, tuned: bool) -> Decoder:
    """The decoder with the parameters of a Hugging Face folder."""
    state: dict[str, torch.Tensor] = {}
    for name, value in sorted(safetensors.torch.load_file(folder / "model.safetensors").items()):
        name = re.sub(r"model\.|self_attn\.|mlp\.", "", name)
        name = re.sub("(gate|up)_proj", "gate_up", re.sub("[kqv]_proj", "kqv", name))
        state[name] = torch.cat([state[name], value]) if name in state else value
    model = Decoder(arch, tuned)
    model.load_state_dict(state, strict=False)  # frequencies and tied heads are not stored
    return model


def prepare(folder: Path, case: Case, tuned: bool, compiled: bool) -> tuple:
    """The loss on the first rows, a turn of training and a turn of sampling."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    prompts, start, completions, length = map(torch.from_numpy, case.rows())
    inside = torch.arange(N_COMPLETION) < length[:, None]
    completions = torch.where(inside, completions, -1)
    rows = [x.long().to(device) for x in (prompts, start, completions)]
    first = [x[: case.batch] for x in rows]
    sampled, trained = (load(folder, case.arch, tuned).to(device) for _ in range(2))
    with torch.no_grad():
        before = sampled.loss(*first).item()
    maybe = lambda call: torch.compile(call, dynamic=False) if compiled else call
    loss, draw = maybe(trained.loss), maybe(sampled.draw)
    optimizer = torch.optim.Adam(trained.parameters(), lr=1e-3, fused=True)

    def training() -> None:
        order: tuple[torch.Tensor, ...] = ()
        for i in range(case.n_steps):
            at = i % (len(rows[0]) // case.batch)
            if at == 0:
                order = torch.randperm(len(rows[0]), device=device).split(case.batch)
            optimizer.zero_grad()
            loss(*(x[order[at]] for x in rows)).backward()
            optimizer.step()
        wait()

    # A compiled function that was traced in inference mode cannot be shared with training.
    @torch.no_grad() if compiled else torch.inference_mode()
    def sampling() -> None:
        for _ in range(case.n_calls):
            sample(sampled, draw, *first[:2])
        wait()

    return before, training, sampling


def sample(model: Decoder, draw: Callable, prompts, start) -> torch.Tensor:
    """Tokens [B C] drawn after each prompt [B P]."""
    n_rows, n_prompt = prompts.shape
    cache = model.empty_cache(n_rows, n_prompt + N_COMPLETION)
    places = torch.arange(n_prompt + N_COMPLETION, device=prompts.device)
    tokens = [draw(prompts, start, cache, places[:n_prompt])]
    for i in range(n_prompt, n_prompt + N_COMPLETION - 1):
        tokens.append(draw(tokens[-1][:, None], start, cache, places[i : i + 1]))
    return torch.stack(tokens, 1)
