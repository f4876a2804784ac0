"""Make the .ipynb of every notebook from its script in the percent format, with its outputs.

Run:     python -m notebooks.build [NAME ...]        (pip install -e '.[notebooks]')
Time:    a minute a notebook on 2 CPU cores.

A script is plain Python: cells begin with `# %%`, text cells with `# %% [markdown]` and are
comments, as jupytext reads and writes them.
"""

import argparse
import hashlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from lab.errors import LabError
from lab.runs.endings import one_line
from lab.runs.paths import write_atomic
from notebooks.widgets import STATIC

HERE = Path(__file__).parent
NOT_NOTEBOOKS = ("__init__", "build", "widgets")
MARK, TEXT = "# %%", "# %% [markdown]"


class Cell(NamedTuple):
    """A cell of a notebook."""

    kind: str  # "code" or "markdown"
    source: str


def names() -> list[str]:
    """The notebooks that there are scripts of."""
    return sorted(p.stem for p in HERE.glob("*.py") if p.stem not in NOT_NOTEBOOKS)


def cells(script: str) -> list[Cell]:
    """The cells of a script, text without its comment signs; its header is jupytext's own.

    Raises `ValueError` for code outside of cells.
    """
    head, *parts = ("\n" + script).split(f"\n{MARK}")
    if not parts or not all(line.startswith("#") for line in head.strip().splitlines()):
        raise ValueError(f"a script begins with {MARK}")
    found = []
    for part in parts:
        first, _, body = part.partition("\n")
        if first.strip() == "[markdown]":
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.splitlines()]
            found.append(Cell("markdown", "\n".join(lines).strip()))
        else:
            found.append(Cell("code", body.strip("\n")))
    return found


def build(name: str) -> Path:
    """Run a notebook from top to bottom, and write it beside its script.

    Raises `LabError` for one that there is not, one that fails, and without the extra's packages.
    """
    if name not in names():
        raise LabError(f"name: {name!r} is no notebook; choose of {', '.join(names())}")
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
    except ImportError as error:
        raise LabError(f"notebooks: {error}; pip install -e '.[notebooks]'") from error
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    for i, (kind, source) in enumerate(cells((HERE / f"{name}.py").read_text())):
        new = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}[kind]
        # A name of its own that stays: nbformat would draw another each time.
        made.cells.append(new(source, id=hashlib.sha256(f"{i}".encode()).hexdigest()[:8]))
    os.environ[STATIC] = "1"
    try:
        with tempfile.TemporaryDirectory() as place:  # what it leaves there is not kept
            NotebookClient(made, timeout=1200).execute(cwd=place)
    except CellExecutionError as error:
        last = str(error).strip().splitlines()[-1]
        raise LabError(f"{name}: a cell fails ({last}); mend notebooks/{name}.py") from error
    for cell in made.cells:
        cell.metadata.pop("execution", None)  # when it ran
        # Warnings of this machine say nothing to readers of a page.
        kept = [out for out in cell.get("outputs", []) if out.get("name") != "stderr"]
        if cell.cell_type == "code":
            cell.outputs = kept
    made.metadata.get("language_info", {}).pop("version", None)
    path = HERE / f"{name}.ipynb"
    write_atomic(path, nbformat.writes(made) + "\n")
    return path


def main() -> None:
    """Build the named notebooks, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m notebooks.build",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="default: all")
    with one_line():
        for name in parser.parse_args().names or names():
            print(build(name))


if __name__ == "__main__":
    main()
