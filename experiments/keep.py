"""Commit a run: merge its sittings and store table, record and figure under a name.

Run:     python -m experiments.keep NAME RUN_FOLDER [RUN_FOLDER ...]
         python -m experiments.keep NAME     what a committed table says, by the present rules
Writes:  experiments/results/NAME.csv and NAME.json, figures/png/NAME.png. What was measured of the
         replays of another table of that name leaves experiments/replay.json.
Refuses: a run that was made on uncommitted changes, at a commit that is not in the history, or
         outside of a clone: nobody could make it again.
"""

import argparse
import re
import tempfile
from pathlib import Path
from typing import Any

from figures.tables import PICTURES, RESULTS
from lab.errors import LabError
from lab.runs import checkout, paths, provenance, records, results
from lab.runs.endings import one_line
from lab.runs.experiment import named


def main() -> None:
    """Parse the command line, merge, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="name of the committed table")
    parser.add_argument("folders", nargs="*", type=Path, help="complete run folders")
    arguments = parser.parse_args()
    with one_line():
        checkout.root()
        keep(arguments.name, arguments.folders)


def keep(name: str, folders: list[Path]) -> None:
    """Merge the run folders into the committed table `name`, and draw its figure.

    What the table says is computed anew, by the present rules; without folders, of the table that
    is there. Nothing is written unless all of it can be.
    """
    if not re.fullmatch("[a-z0-9_]{1,80}", name):
        raise LabError(f"name: {name!r} is not made of up to 80 small letters, digits and _")
    document = paths.inside(RESULTS, f"{name}.json")
    rows, record = results.merge(folders) if folders else results.read(document)
    provenance.require_clean(record)
    experiment = named(record["experiment"])
    record = experiment.described(results.columns(rows), record)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / document.name
        results.write(made, rows, record)
        table = results.table_of(made)
        picture, _ = experiment.draw(table, made, made.with_suffix(""))
        PICTURES.mkdir(exist_ok=True)
        for source, target in ((table, RESULTS), (made, RESULTS), (picture, PICTURES)):
            paths.write_atomic(paths.inside(target, source.name), source.read_bytes())
    if folders:
        forget(RESULTS.parent / "replay.json", name)
    print(results.table_of(document))


def forget(spread: Path, name: str) -> None:
    """Take a table's distances out of those of all: they were measured on another one."""
    if spread.exists():
        known = records.read(spread, dict[str, Any], f"restore it: git checkout -- {spread}")
        records.write(spread, {k: v for k, v in known.items() if k != name})


if __name__ == "__main__":
    main()
