"""Write what README's say of committed records: figures.readme [--check].

In README.md, text between <!-- begin NAME --> and <!-- end NAME --> is replaced: NAME is "claims"
or a benchmark of `benchmarks/results`. No number in there is typed, and none is computed here. All
claims stand in experiments/results/README.md, the figures in figures/README.md.
"""

import argparse
import re
from collections.abc import Callable, Iterator
from typing import TypedDict

from figures import gallery, markdown, tables
from figures.headlines import HEADLINES
from figures.tables import ROOT
from lab.errors import LabError
from lab.runs import checkout, records
from lab.runs.endings import one_line
from lab.runs.paths import write_atomic

BENCHMARKS = ROOT / "benchmarks" / "results"


RESULTS_PAGE = """# Tables

Written by `python -m figures.readme`: what every table says with a verdict, or beside a published
number. The record beside it says more; the rules of verdicts are explained in
[README](../../README.md#measured)."""


def headlines() -> str:
    """A few claims of every committed table, each in a sentence."""
    head = ["claim", "command", "measured (95 % interval)", "null", "published", "verdict"]
    known, parts = tables.records(), []
    for title, some in HEADLINES.items():
        rows = [row for name, said in some.items() for row in _headlines(name, known[name], said)]
        parts += [f"**{title}**", markdown.table(head, rows)]
    return "\n\n".join(parts)


def _headlines(name: str, record: dict, said: dict[str, str]) -> Iterator[list[str]]:
    """A table's rows, the first with its command."""
    command = f"[`{record['command']}`](experiments/results/README.md#{name})"
    for pattern, sentence in said.items():
        _, number, _, null, published, verdict = markdown.row(markdown.one(record, pattern))
        yield [sentence, command, number, null, published, verdict]
        command = ""


def measured() -> str:
    """What every committed table says with a verdict, or beside a published number."""
    known = tables.records()
    rows = (_indexed(name, record) for name, record in known.items())
    index = markdown.table(["table", "claim", "verdict"], rows)
    sections = (_section(name, record) for name, record in known.items())
    return "\n\n".join([RESULTS_PAGE, index, *sections]) + "\n"


def _indexed(name: str, record: dict) -> list[str]:
    """A table's name, what its experiment claims, and the verdicts on that together."""
    verdicts = [c.verdict for c in markdown.told(record) if c.verdict]
    claim = gallery.claim_of(record["experiment"])
    return [f"[{name}](#{name})", claim, gallery.summed(verdicts) if verdicts else ""]


def _section(name: str, record: dict) -> str:
    """A table's command and files, what is to be known of it, its claims, and their rules."""
    found = markdown.told(record)
    links = f"[table]({name}.csv), [record]({name}.json)"
    parts = [f"## {name}", f"`{record['command']}` ({links})", record.get("note", "")]
    if found:
        parts += [markdown.table(markdown.HEAD, map(markdown.row, found)), markdown.rules(found)]
    return "\n\n".join(part for part in parts if part)


class Report(TypedDict):
    """A table, and the line under it."""

    head: list[str]
    rows: list[list[str]]
    text: str


class Benchmark(TypedDict):
    """What of a benchmark's result the README shows."""

    readme: Report


def benchmark(name: str) -> str:
    """The table that a benchmark has stored in its report, and the line under it."""
    path = BENCHMARKS / f"{name}.json"
    report = records.read(path, Benchmark, f"restore it: git checkout -- {path}")["readme"]
    return markdown.table(report["head"], report["rows"]) + "\n\n" + report["text"]


SECTIONS: dict[str, Callable[[], str]] = {"claims": headlines} | {
    path.stem: lambda name=path.stem: benchmark(name) for path in BENCHMARKS.glob("*_cpu.json")
}


def render(text: str) -> str:
    """The README with every generated section renewed."""
    for name, section in SECTIONS.items():
        pattern = re.compile(f"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        text, n = pattern.subn(lambda m, s=section: f"{m[1]}{s()}\n{m[2]}", text)
        if n != 1:
            raise LabError(
                f"README.md has {n} sections {name!r}; it needs one: git checkout README.md"
            )
    return text


def main() -> None:
    """Renew what is generated, or with --check fail if that would change it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail if out of date")
    with one_line():
        renew(parser.parse_args().check)


def renew(check: bool = False) -> None:
    """Write all README's anew, or see whether that would change them."""
    root = checkout.root()
    readme = (root / "README.md").read_text(encoding="utf-8")
    pages = {
        root / "README.md": render(readme),
        root / "figures" / "README.md": gallery.page(),
        root / "experiments" / "results" / "README.md": measured(),
    }
    for path, new in pages.items():
        if check and not (path.is_file() and path.read_text(encoding="utf-8") == new):
            name = path.relative_to(root)
            raise SystemExit(f"{name} is out of date; run python -m figures.readme")
        if not check:
            write_atomic(path, new)


if __name__ == "__main__":
    main()
