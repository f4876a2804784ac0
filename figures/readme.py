"""Write the README's tables from what committed records say (python -m figures.readme [--check]).

Text between <!-- begin NAME --> and <!-- end NAME --> is replaced: NAME is "claims" or a benchmark
of `benchmarks/results`. Nothing in there is typed, and nothing is computed here.
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from lab.runs import claims, results

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results"
BENCHMARKS = ROOT / "benchmarks" / "results"


def measured() -> str:
    """What every committed table says with a verdict, or beside a published number."""
    parts = []
    for path in sorted(RESULTS.glob("*.json")):
        record = results.read_json(path)
        parts += [f"**{path.stem}**: `{record['command']}`", ""]
        parts += [_table(["claim", "measured", "n", "published", "verdict"], _rows(record)), ""]
    return "\n".join(parts).rstrip()


def _rows(record: dict) -> list[list[str]]:
    found = [c for c in claims.of_record(record).values() if c.published or c.verdict]
    return [
        [
            f"{c.text}, {c.unit}" if c.unit and c.unit not in c.text else c.text,
            c.number(c.digits),
            str(c.n),
            c.published,
            c.verdict,
        ]
        for c in found
    ]


def benchmark(name: str) -> str:
    """The table that a benchmark has stored in its report, and the line under it."""
    report = results.read_json(BENCHMARKS / f"{name}.json")["readme"]
    return _table(report["head"], report["rows"]) + "\n\n" + report["text"]


def _table(head: list[str], rows: list[list[str]]) -> str:
    line = lambda cells: f"| {' | '.join(cells)} |"
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
