"""What the README shows of a benchmark's report: a head, rows, and a line under them."""

_MNIST = {
    "jax_float32": "this lab, float32",
    "jax_bfloat16": "this lab, bfloat16 products",
    "torch_arm_by_arm": "PyTorch, arm by arm",
    "torch_shared": "PyTorch, with our sharing",
}
_LANGUAGE = {
    "jax": "this lab",
    "torch": "PyTorch",
    "torch_tuned": "PyTorch tuned",
    "torch_compiled": "torch.compile",
}

_CHECKPOINTS = {
    "jax": "this lab",
    "transformers": "transformers, PEFT",
    "transformers_tuned": "the same, tuned",
}


def mnist(report: dict) -> dict:
    """Seconds of the whole protocol, side by side."""
    sides = report["sides"]
    ours = sides["jax_float32"]["seconds"]
    head = ["side", "seconds", "relative to ours", "GFLOP/s", "of its matmul floor", "peak memory"]
    rows = [
        [
            label,
            f"{sides[side]['seconds']:.1f}",
            f"{sides[side]['seconds'] / ours:.2f}x",
            f"{sides[side]['gflop_per_second']:.0f}",
            f"{sides[side]['floor_fraction']:.0%}",
            f"{sides[side]['peak_mb']:,} MB",
        ]
        for side, label in _MNIST.items()
        if side in sides
    ]
    text = (
        f"`python -m benchmarks.mnist`: {report['members']} members, {report['epochs']} + "
        f"{report['epochs']} epochs, {report['cores']} CPU cores, the sides taking turns by epoch. "
        f"{_matmul_rates(report, 'jax_float32', 'torch_shared')} Peak memory of "
        f"the paper preset at 100 members: {report['peak_mb_100_members']:,} MB."
    )
    return {"head": head, "rows": rows, "text": text}


def language(report: dict) -> dict:
    """Tokens per second, side by side."""
    rows = []
    for case, sides in report["cases"].items():
        ours = sides["jax"]["tokens_per_second"]
        cells = [
            f"{s['tokens_per_second']:,.0f} ({s['floor_fraction']:.0%})"
            + (f", {ours / s['tokens_per_second']:.2f}x" if side != "jax" else "")
            for side, s in sides.items()
        ]
        rows.append([case, *cells])
    n_rounds = len(next(iter(report["cases"].values()))["jax"]["seconds"])
    cases = dict.fromkeys(label.split()[0] for label in report["cases"])
    text = (
        f"`python -m benchmarks.language --rounds {n_rounds} --sides {' '.join(report['sides'])} "
        f"--cases {' '.join(cases)}`: prompts of {report['prompt']} and completions of "
        f"{report['completion']} tokens, {report['cores']} CPU cores, the sides taking turns. "
        "Tokens per second, in brackets the part of the floor that this is, and how many times "
        "faster this lab is. The floor is the time of the matrix products alone, at the library's "
        "rate for each shape (above 100 % where a batch in parts is multiplied faster than the "
        "whole of it). PyTorch is in the style of nanoGPT; tuned, it draws tokens by a running sum "
        "instead of `torch.multinomial`, attends by two products and has an allocator that keeps "
        f"its memory. {_matmul_rates(report, 'jax', 'torch')}"
    )
    head = ["size and batch", *(_LANGUAGE[side] for side in report["sides"])]
    return {"head": head, "rows": rows, "text": text}


def checkpoints(report: dict) -> dict:
    """Tokens per second at the shapes of real checkpoints, side by side."""
    rows = []
    for case, sides in report["cases"].items():
        ours, cells = sides["jax"]["tokens_per_second"], [case]
        for side in _CHECKPOINTS:
            one = sides.get(side)
            if one is None:
                cells.append("")
                continue
            ratio = "" if side == "jax" else f", {ours / one['tokens_per_second']:.2f}x"
            speed = f"{one['tokens_per_second']:,.1f} ({one['fraction']:.0%}){ratio}"
            cells.append(f"{speed}; {one['peak_mb'] / 1000:.1f} GB")
        rows.append(cells)
    device = next(iter(report["cases"].values()))["jax"]["device"]
    text = (
        f"`python -m benchmarks.checkpoints`: random weights at the shapes of Qwen2.5, "
        f"{report['cores']} cores, {device}, the sides taking turns; prompts of "
        f"{report['prompt']} tokens, then {report['new']} drawn from the whole distribution; a "
        f"step of LoRA has rank {report['rank']} on all projections. Tokens per second; of "
        "decoding the part of the bandwidth that its weights take, of LoRA the part of the "
        "device's rate of products; how many times faster this lab is; and the most memory held. "
        "Tuned, PEFT's side computes the logits of completions alone, as ours does."
    )
    return {"head": ["case", *_CHECKPOINTS.values()], "rows": rows, "text": text}


def _matmul_rates(report: dict, *sides: str) -> str:
    rates = (f"{report['sides'][side]['rate_2048_gflop_per_second']:.0f}" for side in sides)
    return f"Matmul rate of JAX / PyTorch at 2048³ in the same run: {' / '.join(rates)} GFLOP/s."
