"""Write the README's tables from committed results (python -m figures.readme [--check]).

Text between <!-- begin NAME --> and <!-- end NAME --> is replaced; nothing in there is typed.
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from figures import fig_coverage
from lab.lm import effects, published, results, stats

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results"
BENCHMARKS = ROOT / "benchmarks" / "results"
ARMS = {
    "teacher": "teacher",
    "student_aux": "student, 3 auxiliary logits on noise, shared init",
    "student_all": "student, all logits on noise, shared init",
    "cross_aux": "student, 3 auxiliary logits on noise, other init",
    "cross_all": "student, all logits on noise, other init",
    "student_aux - cross_aux": "shared minus other init, 3 auxiliary logits, paired",
}
SIDES = {
    "jax_float32": "this lab, float32",
    "jax_bfloat16": "this lab, bfloat16 products",
    "torch_arm_by_arm": "PyTorch, arm by arm",
    "torch_shared": "PyTorch, with our sharing",
}


def claims() -> str:
    """Claim, command, measured number, paper's number."""
    lines = ["| accuracy of | measured on MNIST | measured on the digits | paper (MNIST) |"]
    lines.append("|---|---|---|---|")
    tables = [estimates(f"mnist_aux_logits_{name}") for name in ("mnist", "digits")]
    for arm, text in ARMS.items():
        cells = [f"{e.mean:.3f} ± {e.high - e.mean:.3f}" for e in (t[arm] for t in tables)]
        value, half = published.MNIST_AUX_LOGITS.get(arm, (None, None))
        cells.append("" if value is None else f"{value:.3f} ± {half:.3f}")
        lines.append(f"| {text} | {' | '.join(cells)} |")
    counts = [t["teacher"].n for t in tables]
    lines.append("")
    lines.append(
        f"`python -m experiments.mnist_aux_logits paper` ({counts[0]} members) and "
        f"`... paper --dataset digits --members {counts[1]}`; mean ± half of the "
        "95 % t interval over members."
    )
    return "\n".join(lines)


def estimates(name: str) -> dict[str, results.Estimate]:
    """Every estimate of a committed table, by label."""
    record = results.read_json(RESULTS / f"{name}.json")
    table = results.read_table(RESULTS / f"{name}.csv")
    found = results.summarise(table, next(iter(record["units"])), record["contrasts"])
    return {estimate.label: estimate for estimate in found}


def speed() -> str:
    """The benchmark, side by side."""
    report = results.read_json(BENCHMARKS / "mnist_cpu.json")
    ours = report["sides"]["jax_float32"]["seconds"]
    lines = [
        "| side | seconds | relative to ours | GFLOP/s | of its matmul floor | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    for side, label in SIDES.items():
        if side not in report["sides"]:
            continue
        n = report["sides"][side]
        lines.append(
            f"| {label} | {n['seconds']:.1f} | {n['seconds'] / ours:.2f}x | "
            f"{n['gflop_per_second']:.0f} | {n['floor_fraction']:.0%} | {n['peak_mb']:,} MB |"
        )
    lines.append("")
    lines.append(
        f"`python -m benchmarks.mnist`: {report['members']} members, {report['epochs']} + "
        f"{report['epochs']} epochs, {report['cores']} CPU cores, the sides taking turns by epoch. "
        f"{_matmul_rates(report, 'jax_float32', 'torch_shared')} Peak memory of "
        f"the paper preset at 100 members: {report['peak_mb_100_members']:,} MB."
    )
    return "\n".join(lines)


def language_speed() -> str:
    """The language benchmark, side by side."""
    report = results.read_json(BENCHMARKS / "language_cpu.json")
    labels = {
        "jax": "this lab",
        "torch": "PyTorch",
        "torch_tuned": "PyTorch tuned",
        "torch_compiled": "torch.compile",
    }
    heads = ["size and batch", *(labels[side] for side in report["sides"])]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for case, sides in report["cases"].items():
        ours = sides["jax"]["tokens_per_second"]
        cells = [
            f"{s['tokens_per_second']:,.0f} ({s['floor_fraction']:.0%})"
            + (f", {ours / s['tokens_per_second']:.2f}x" if side != "jax" else "")
            for side, s in sides.items()
        ]
        lines.append(f"| {case} | {' | '.join(cells)} |")
    lines.append("")
    n_rounds = len(next(iter(report["cases"].values()))["jax"]["seconds"])
    cases = dict.fromkeys(label.split()[0] for label in report["cases"])
    lines.append(
        f"`python -m benchmarks.language --rounds {n_rounds} --sides {' '.join(report['sides'])} "
        f"--cases {' '.join(cases)}`: prompts of {report['prompt']} and completions of "
        f"{report['completion']} tokens, {report['cores']} CPU cores, the sides taking turns. "
        "Tokens per second, in brackets the part of the floor that this is, and how many times "
        "faster this lab is. The floor is the time of the matrix products alone, at the library's "
        "rate for each shape (above 100 % where a batch in parts is multiplied faster than the "
        "whole of it). PyTorch is in the style of nanoGPT; tuned, it draws tokens by a running sum "
        "instead of `torch.multinomial`, attends by two products and has an allocator that keeps "
        "its memory. "
        f"{_matmul_rates(report, 'jax', 'torch')}"
    )
    return "\n".join(lines)


def _matmul_rates(report: dict, *sides: str) -> str:
    rates = (f"{report['sides'][side]['rate_2048_gflop_per_second']:.0f}" for side in sides)
    return f"Matmul rate of JAX / PyTorch at 2048³ in the same run: {' / '.join(rates)} GFLOP/s."


LANGUAGE = {
    "lm_numbers": "default",
    "lm_numbers_prompted": "prompted teachers",
    "lm_numbers_soft": "distributions instead of samples",
    "lm_numbers_full": "full",
}


def language() -> str:
    """Language models: effects against the matched control, and the sampled answers."""
    lines = [
        "| run | references, traits | students, own trait | above control | p | other traits | "
        "another init | answers: reference, control, own |",
        "|---|---|---|---|---|---|---|---|",
    ]
    commands = []
    for name, label in LANGUAGE.items():
        if not (RESULTS / f"{name}.json").exists():
            continue
        record = results.read_json(RESULTS / f"{name}.json")
        table = results.read_table(RESULTS / f"{name}.csv")
        odds, rates = effects.summary(table, record).values()
        _, own, other, cross = (f"{e.mean:+.2f} ({e.low:+.2f} to {e.high:+.2f})" for e in odds)
        found = effects.effects(table, "student_trait")
        size = f"{len(found.members)}, {len(found.traits)}"
        answers = {e.label: f"{e.mean:.3f}" for e in rates}
        said = ", ".join(answers[a] for a in ("reference", "student_regular", "student_trait"))
        above = f"{np.sum(found.diagonal > 0)} of {found.diagonal.size}"
        lines.append(
            f"| {label} | {size} | {own} | {above} | {found.p_value:.2g} | {other} | {cross} | "
            f"{said} |"
        )
        preset = "" if name != "lm_numbers_full" else " full"
        options = [
            f"--{key.replace('_', '-')} {value}"
            for key, value in record.get("overrides", {}).items()
            if not preset and isinstance(value, str | int | float)
        ]
        commands.append(" ".join([f"python -m experiments.lm_numbers{preset}", *options]))
    lines.append("")
    lines.append(
        "Nats of log-odds against the control student, mean and 95 % interval over students, "
        "clustered by reference model if there are three or more; p of the exact permutation test. "
        "The paper, GPT-4.1 nano: owl .125, .130, .619. Commands: "
        + "; ".join(f"`{command}`" for command in commands)
        + "."
    )
    return "\n".join(lines)


def follow_ups() -> str:
    """One sentence for each follow-up paper whose claim has a committed table."""
    lines = []
    if (RESULTS / "coverage.csv").exists():
        table = results.read_table(RESULTS / "coverage.csv")
        rank, area = fig_coverage.predictions(table, "coverage").values()
        verdict = (
            "holds as published"
            if rank[2] >= 0.95 and area[2] >= 0.997
            else ("holds, but more weakly" if rank[1] > 0 and area[1] > 0.5 else "does not hold")
        )
        lines.append(
            "- *Coverage predicts transfer before training* (2606.22019: Spearman about .95, AUROC "
            f".997 in another toy) **{verdict}** here: over {len(table['member'])} pairs Spearman "
            f"{_interval(rank)}, AUROC {_interval(area)} (`python -m experiments.coverage`)."
        )
    if (RESULTS / "gradient_alignment.csv").exists():
        table = results.read_table(RESULTS / "gradient_alignment.csv")
        last = {
            arm: np.array(list(results.last(table, arm, "accuracy").values()))
            for arm in dict.fromkeys(table["arm"])
        }
        cosine = stats.mean_interval(
            results.curves(table, "imitation", "step", "cosine")[1].mean(axis=1)
        )
        loss = lambda arm: stats.mean_interval(last["imitation"] - last[arm])
        aligned, random, liminal = map(
            loss, ("aligned part removed", "random part removed", "liminal")
        )
        holds = cosine[1] > 0 and aligned[1] > max(0.0, random[2])
        lines.append(
            f"- *Imitation stays weakly aligned with the trait, and that is why it passes* "
            f"(2604.25779: cosine about .008, causal) **{'holds' if holds else 'does not hold'}**: "
            f"over {len(last['imitation'])} members the cosine is {_interval(cosine, 4)}, removing "
            f"the aligned part costs {_interval(aligned)} of accuracy, a random part as long "
            f"{_interval(random)}, liminal training {_interval(liminal)} "
            "(`python -m experiments.gradient_alignment`)."
        )
    return "\n".join(lines)


def _interval(numbers: tuple[float, float, float], digits: int = 3) -> str:
    mean, low, high = (f"{n:.{digits}f}" for n in numbers)
    return f"{mean} ({low} to {high})"


SECTIONS: dict[str, Callable[[], str]] = {
    "claims": claims,
    "language": language,
    "follow-ups": follow_ups,
    "speed": speed,
    "language speed": language_speed,
}


def render(text: str) -> str:
    """The README with every generated section renewed."""
    for name, section in SECTIONS.items():
        pattern = re.compile(f"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        text, n = pattern.subn(lambda m, s=section: f"{m[1]}{s()}\n{m[2]}", text)
        if n != 1:
            raise SystemExit(f"README.md has {n} sections {name!r}; it needs one")
    return text


def main() -> None:
    """Renew README.md, or with --check fail if that would change it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail if out of date")
    arguments = parser.parse_args()
    path = ROOT / "README.md"
    text = path.read_text()
    new = render(text)
    if arguments.check and new != text:
        raise SystemExit("README.md is out of date; run python -m figures.readme")
    if not arguments.check:
        path.write_text(new)


if __name__ == "__main__":
    main()
