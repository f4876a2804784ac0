"""Claims and tables as Markdown, for the README's of the lab and of its figures."""

import re
from collections.abc import Iterable

from lab.errors import LabError
from lab.runs import claims
from lab.runs.claims import Claim

HEAD = ["claim", "measured (95 % interval)", "n", "null", "published", "verdict"]


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """A table; a bar in a cell is no end of it."""
    line = lambda cells: "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    return "\n".join([line(head), "|---" * len(head) + "|", *map(line, rows)])


def told(record: dict, pattern: str = "") -> list[Claim]:
    """The claims of a record that have a verdict or stand beside a published number, no details.

    Of these, those whose text a pattern finds.
    """
    found = claims.of_record(record).values()
    said = [c for c in found if (c.published or c.verdict) and not c.detail]
    return [c for c in said if re.search(pattern, c.text)]


def one(record: dict, pattern: str) -> Claim:
    """The one of those claims whose text a pattern finds. Raises `LabError` unless there is one."""
    found = told(record, pattern)
    if len(found) != 1:
        raise LabError(f"{pattern}: {len(found)} claims of {record['command']}, and not one")
    return found[0]


def row(c: Claim) -> list[str]:
    """A claim below `HEAD`."""
    text = f"{c.text}, {c.unit}" if c.unit and c.unit not in c.text else c.text
    return [text, c.number(), c.runs or str(c.n), c.null, c.published, c.verdict]


def rules(found: list[Claim]) -> str:
    """Every rule of some verdicts once."""
    some = dict.fromkeys(c.rule for c in found if c.rule)
    return f"Rules: {'; '.join(some)}." if some else ""
