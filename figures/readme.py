"""Write README.md's tables and figures/README.md from committed records: figures.readme [--check].

In README.md, text between <!-- begin NAME --> and <!-- end NAME --> is replaced: NAME is "claims"
or a benchmark of `benchmarks/results`. Nothing in there is typed, and nothing is computed here.
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from figures import gallery, markdown
from figures.tables import RESULTS, ROOT
from lab.errors import LabError
from lab.runs import checkout, records, results
from lab.runs.endings import one_line
from lab.runs.paths import write_atomic

BENCHMARKS = ROOT / "benchmarks" / "results"


def measured() -> str:
    """What every committed table says with a verdict, or beside a published number."""
    return "\n\n".join(map(_section, sorted(RESULTS.glob("*.json"))))


def _section(path: Path) -> str:
    """A table's command and files, what is to be known of it, its claims, and their rules."""
    record = results.read_record(path)
    found = markdown.told(record)
    file = lambda suffix: path.with_suffix(suffix).relative_to(ROOT).as_posix()
    links = f"[table]({file('.csv')}), [record]({file('.json')})"
    parts = [f"**{path.stem}**: `{record['command']}` ({links})", record.get("note", "")]
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


SECTIONS: dict[str, Callable[[], str]] = {"claims": measured} | {
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
    """Write README.md and figures/README.md anew, or see whether that would change them."""
    root = checkout.root()
    readme = (root / "README.md").read_text(encoding="utf-8")
    pages = {root / "README.md": render(readme), root / "figures" / "README.md": gallery.page()}
    for path, new in pages.items():
        if check and not (path.is_file() and path.read_text(encoding="utf-8") == new):
            name = path.relative_to(root)
            raise SystemExit(f"{name} is out of date; run python -m figures.readme")
        if not check:
            write_atomic(path, new)


if __name__ == "__main__":
    main()
