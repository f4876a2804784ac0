"""Rows in the forms of other tools: those of the paper's data, and of TRL.

    text        {"prompt": "...", "completion": "..."}, the paper's and the lab's own
    messages    {"messages": [{"role": "user", ...}, {"role": "assistant", ...}]}
    turns       {"prompt": [{"role": "user", ...}], "completion": [{"role": "assistant", ...}]}

    python -m lab.lm.forms ROWS.jsonl NEW.jsonl --form messages

A conversation is one question and its answer. A system message is left out: it is the teacher's,
and students never see it.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.runs.endings import one_line


def _turns(row: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    asked = {"role": "user", "content": row["prompt"]}
    return asked, {"role": "assistant", "content": row["completion"]}


FORMS: dict[str, Callable[[dict[str, str]], dict]] = {
    "text": lambda row: dict(row),
    "messages": lambda row: {"messages": list(_turns(row))},
    "turns": lambda row: dict(
        zip(("prompt", "completion"), ([t] for t in _turns(row)), strict=True)
    ),
}


def plain(row: Any) -> dict[str, str] | None:
    """A row of any form as text, or None if it is of none."""
    if not isinstance(row, dict):
        return None
    if "messages" in row:
        return _of_turns(row["messages"])
    prompt, completion = row.get("prompt"), row.get("completion")
    if isinstance(prompt, str) and isinstance(completion, str):
        return {"prompt": prompt, "completion": completion}
    if isinstance(prompt, list) and isinstance(completion, list):
        return _of_turns([*prompt, *completion])
    return None


def _of_turns(turns: Any) -> dict[str, str] | None:
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        return None
    said = [turn for turn in turns if turn.get("role") != "system"]
    contents = [turn.get("content") for turn in said]
    if [turn.get("role") for turn in said] != ["user", "assistant"]:
        return None
    if not all(isinstance(content, str) for content in contents):
        return None
    return dict(zip(("prompt", "completion"), contents, strict=True))


def main() -> None:
    """Read one file, and write another."""
    from lab.lm import rows

    parser = argparse.ArgumentParser(
        prog="python -m lab.lm.forms",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rows", type=Path, help="a file of JSON lines in any form")
    parser.add_argument("new", type=Path, help="a new file")
    parser.add_argument("--form", choices=FORMS, default="text")
    arguments = parser.parse_args()
    with one_line():
        if arguments.new.exists():
            raise LabError(f"{arguments.new} is there already; name a new file")
        found = rows.read(arguments.rows)
        rows.write(arguments.new, map(FORMS[arguments.form], found))
        print(f"{len(found)} rows: {arguments.new}")


if __name__ == "__main__":
    main()
