"""Decoding and LoRA of a checkpoint by transformers and PEFT, as their documentation has it.

Tokens are drawn by `generate` from the whole distribution. A step of LoRA is PEFT's model, its
labels masked outside of completions, and a fused AdamW. `tuned`, the logits of completions alone
are computed, as ours are, and not those of prompts.
"""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from benchmarks.checkpoints_sizes import ALPHA, N_NEW, RANK, RATE, STREAMED, Case

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"


def prepare(folder: Path, case: Case, tuned: bool) -> tuple[float, dict[str, Callable[[], None]]]:
    """The loss before training, or of the prompts; and the turns by name."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, case.dtype))
    model.to(DEVICE)
    tokens = torch.from_numpy(case.prompts()).long().to(DEVICE)
    if case.kind == "lora":
        return _lora(model, tokens, case, tuned)
    seen = torch.ones_like(tokens)
    with torch.inference_mode():
        loss = model(input_ids=tokens, attention_mask=seen, labels=tokens).loss.item()

    def writing(n_new: int) -> Callable[[], None]:
        how = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "pad_token_id": 0}

        def turn() -> None:
            drawn = model.generate(
                input_ids=tokens,
                attention_mask=seen,
                max_new_tokens=n_new,
                eos_token_id=None,
                **how,
            )
            assert drawn.shape[1] == tokens.shape[1] + n_new
            _wait()

        return turn

    return loss, {"first": writing(1), "all": writing(N_NEW)}


def _lora(model, tokens: torch.Tensor, case: Case, tuned: bool):
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS, task_type="CAUSAL_LM")
    model = get_peft_model(model, config)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0, fused=True)
    n_prompt = case.n_tokens // 2
    labels = tokens.clone()
    labels[:, :n_prompt] = -100
    completions, seen = tokens[:, n_prompt:].reshape(-1), torch.ones_like(tokens)

    def loss() -> torch.Tensor:
        if not tuned:
            return model(input_ids=tokens, attention_mask=seen, labels=labels).loss
        kept = case.n_tokens - n_prompt + 1
        z = model(input_ids=tokens, attention_mask=seen, logits_to_keep=kept).logits[:, :-1]
        return F.cross_entropy(z.flatten(0, 1).float(), completions)

    def step() -> None:
        loss().backward()
        optimizer.step()
        optimizer.zero_grad()
        _wait()

    with torch.no_grad():
        return loss().item(), {"step": step}


def _wait() -> None:
    if CUDA:
        torch.cuda.synchronize()


def stream() -> tuple[Callable[[], None], int]:
    """A call that reads memory once from end to end, and the bytes that it reads."""
    numbers = torch.ones(STREAMED, device=DEVICE)

    def turn() -> None:
        numbers.sum()
        _wait()

    return turn, numbers.numel() * numbers.element_size()


def device_peak() -> int | None:
    """Most bytes held on an accelerator so far; None on a CPU."""
    return torch.cuda.max_memory_allocated() if CUDA else None
