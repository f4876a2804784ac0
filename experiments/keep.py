"""Commit a run: merge its sittings and store table, record and figure under a name.

Run:     python -m experiments.keep NAME RUN_FOLDER [RUN_FOLDER ...]
         python -m experiments.keep NAME     what a committed table says, by the present rules
Writes:  experiments/results/NAME.csv and NAME.json, figures/png/NAME.png.
Refuses: a run that was made on uncommitted changes, at a commit that is not in the history, or
         outside of a clone: nobody could make it again.
"""

import argparse
import re
import shutil
import tempfile
from pathlib import Path

from lab.errors import LabError
from lab.runs import cli, provenance, results
from lab.runs.experiment import named

RESULTS = Path(__file__).parent / "results"
PICTURES = Path(__file__).parents[1] / "figures" / "png"


def main() -> None:
    """Parse the command line, merge, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="name of the committed table")
    parser.add_argument("folders", nargs="*", type=Path, help="complete run folders")
    arguments = parser.parse_args()
    try:
        keep(arguments.name, arguments.folders)
    except LabError as error:
        cli.fail(str(error))


def keep(name: str, folders: list[Path]) -> None:
    """Merge the run folders into the committed table `name`, and draw its figure.

    What the table says is computed anew, by the present rules; without folders, of the table that
    is there.
    """
    if not re.fullmatch("[a-z0-9_]+", name):
        raise LabError(f"name: {name!r} is not made of small letters, digits and _")
    table, document = RESULTS / f"{name}.csv", RESULTS / f"{name}.json"
    if folders:
        rows, record = results.merge(folders)
    else:
        rows, record = results.read_rows(table), results.read_json(document)
    provenance.require_clean(record)
    experiment = named(record["experiment"])
    record = experiment.described(results.columns(rows), record)
    PICTURES.mkdir(exist_ok=True)
    results.write_table(table, rows)
    results.write_json(document, record)
    with tempfile.TemporaryDirectory() as folder:
        picture, _ = experiment.draw(table, document, Path(folder) / "figure")
        shutil.copy(picture, PICTURES / f"{name}.png")
    print(table)


if __name__ == "__main__":
    main()
