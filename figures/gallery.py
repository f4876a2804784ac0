"""figures/README.md: the paper's figures in its order, each with what was measured here.

Picture, claim, command, table and verdict come from committed tables, the claim from the
experiment's docstring; which figure a table answers is said in `figures/published.py`.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable

from figures import markdown, published, tables
from figures.published import Shown

HEAD = """# Figures

Written by `python -m figures.all`, which draws every figure anew from the committed tables, without
JAX; `--out DIR` draws them elsewhere, as PNG and PDF. The list is the paper's
([arXiv 2507.14805](https://arxiv.org/abs/2507.14805), as numbered in its first version; Nature
2026, ED: Extended Data), then that of follow-up papers, then our own.

The verdict on a figure sums up those of its claims, by the rules printed in
[the list of all claims](../experiments/results/README.md): **reproduced** or **holds** if every
claim is or does, **not** if none, **open** if too few runs decide, **partly** in between. In
brackets how many claims got which verdict; those without one are numbers alone. That list has nulls
and rules, the records everything."""
NOT_YET = "not measured here yet"
GOOD = ("reproduced", "holds")
LISTED = 8  # claims of a figure; more are folded away


def page() -> str:
    """The page, from the tables that are there."""
    records = tables.records()
    parts = [HEAD]
    for title, figures in (
        ("The paper", published.PAPER),
        ("Follow-up papers", published.FOLLOW_UPS),
        ("Our own", published.OURS),
    ):
        rows = [[_link(f), f.what, verdict(f, records)] for f in figures]
        parts += [f"## {title}", markdown.table(["figure", "what", "verdict"], rows)]
        parts += [_section(figure, records) for figure in figures if figure.tables]
    return "\n\n".join(parts) + "\n"


def verdict(figure: Shown, records: dict[str, dict]) -> str:
    """The verdict on a figure, and how many of its claims got which."""
    said = [c for name, part in figure.tables.items() for c in markdown.told(records[name], part)]
    if said:
        return summed([c.verdict for c in said if c.verdict])
    return NOT_YET if figure.measurable else "nothing to measure"


def summed(verdicts: list[str]) -> str:
    """The verdict on some claims together, by the rule of `HEAD`."""
    counts = Counter(verdicts)
    kinds = {"good" if v in GOOD else v for v in counts}
    if kinds == {"good"}:
        word = "reproduced" if "reproduced" in counts else "holds"
    elif len(kinds) == 1:
        (word,) = kinds
    else:
        word = "partly"
    return f"**{word}** ({', '.join(f'{v}: {n}' for v, n in counts.most_common())})"


def claim_of(experiment: str) -> str:
    """What an experiment claims: the paragraph "Claim:" of its docstring, on one line."""
    module = experiment if "." in experiment else f"experiments.{experiment}"
    path = tables.ROOT.joinpath(*module.split(".")).with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    found = re.search(r"^Claim:(.*?)(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


def _link(figure: Shown) -> str:
    if not figure.tables:
        return figure.number
    anchor = re.sub(r"[^\w\- ]", "", _title(figure).lower()).replace(" ", "-")
    return f"[{figure.number}](#{anchor})"


def _title(figure: Shown) -> str:
    return f"{figure.number}: {figure.what}"


def _section(figure: Shown, records: dict[str, dict]) -> str:
    """A figure's title, verdict and tables."""
    lines = [f"### {_title(figure)}", f"Verdict: {verdict(figure, records)}."]
    lines += [f"Here: {figure.note}."] if figure.note else []
    for name, part in figure.tables.items():
        lines += _table(name, records[name], part)
    return "\n\n".join(lines)


def _table(name: str, record: dict, part: str) -> Iterable[str]:
    """A table's picture, claim, command, files, and claims with their verdicts."""
    picture, data = f"png/{name}.png", f"../experiments/results/{name}"
    yield f'<a href="{picture}"><img src="{picture}" width="480" alt="Figure of {name}"></a>'
    if claim := claim_of(record["experiment"]):
        yield f"Claim: {claim}"
    yield f"`{record['command']}` · [table]({data}.csv) · [record]({data}.json)"
    said = markdown.told(record, part)
    rows = [[c.text, c.number(), c.published, c.verdict] for c in said]
    table = markdown.table(["claim", "measured (95 % interval)", "published", "verdict"], rows)
    if len(said) > LISTED:
        table = f"<details><summary>{len(said)} claims</summary>\n\n{table}\n\n</details>"
    yield table
