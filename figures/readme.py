"""Write the README's tables from what committed records say (python -m figures.readme [--check]).

Text between <!-- begin NAME --> and <!-- end NAME --> is replaced: NAME is "claims" or a benchmark
of `benchmarks/results`. Nothing in there is typed, and nothing is computed here.
"""

import argparse
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypedDict

from lab.errors import LabError
from lab.runs import checkout, claims, records, results
from lab.runs.claims import Claim
from lab.runs.endings import one_line
from lab.runs.paths import write_atomic

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results"
BENCHMARKS = ROOT / "benchmarks" / "results"


def measured() -> str:
    """What every committed table says with a verdict, or beside a published number."""
    return "\n\n".join(map(_section, sorted(RESULTS.glob("*.json"))))


def _section(path: Path) -> str:
    """A table's command and files, what is to be known of it, its claims, and their rules."""
    record = results.read_record(path)
    found = [c for c in claims.of_record(record).values() if c.published or c.verdict]
    found = [c for c in found if not c.detail]
    file = lambda suffix: path.with_suffix(suffix).relative_to(ROOT).as_posix()
    links = f"[table]({file('.csv')}), [record]({file('.json')})"
    parts = [f"**{path.stem}**: `{record['command']}` ({links})", record.get("note", "")]
    parts += [_table(HEAD, map(_row, found)) if found else "", _rules(found)]
    return "\n\n".join(part for part in parts if part)


HEAD = ["claim", "measured (95 % interval)", "n", "null", "published", "verdict"]


def _row(c: Claim) -> list[str]:
    text = f"{c.text}, {c.unit}" if c.unit and c.unit not in c.text else c.text
    return [text, c.number(), c.runs or str(c.n), c.null, c.published, c.verdict]


def _rules(found: list[Claim]) -> str:
    """Every rule of a table's verdicts once."""
    rules = dict.fromkeys(c.rule for c in found if c.rule)
    return f"Rules: {'; '.join(rules)}." if rules else ""


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
    return _table(report["head"], report["rows"]) + "\n\n" + report["text"]


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    line = lambda cells: "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    return "\n".join([line(head), "|---" * len(head) + "|", *map(line, rows)])


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
    """Renew README.md, or with --check fail if that would change it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail if out of date")
    with one_line():
        renew(parser.parse_args().check)


def renew(check: bool) -> None:
    """Write README.md anew, or see whether that would change it."""
    path = checkout.root() / "README.md"
    text = path.read_text(encoding="utf-8")
    new = render(text)
    if check and new != text:
        raise SystemExit("README.md is out of date; run python -m figures.readme")
    if not check:
        write_atomic(path, new)


if __name__ == "__main__":
    main()
