"""Commit a run: merge its sittings and store table, record and figure under a name.

Run:     python -m experiments.keep NAME RUN_FOLDER [RUN_FOLDER ...]
Writes:  experiments/results/NAME.csv and NAME.json, figures/png/NAME.png.
"""

import argparse
import re
import shutil
import tempfile
from pathlib import Path

from lab.errors import LabError
from lab.runs import cli, results
from lab.runs.experiment import named

RESULTS = Path(__file__).parent / "results"
PICTURES = Path(__file__).parents[1] / "figures" / "png"


def main() -> None:
    """Parse the command line, merge, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="name of the committed table")
    parser.add_argument("folders", nargs="+", type=Path, help="complete run folders")
    arguments = parser.parse_args()
    try:
        keep(arguments.name, arguments.folders)
    except LabError as error:
        cli.fail(str(error))


def keep(name: str, folders: list[Path]) -> None:
    """Merge the run folders into the committed table `name`, and draw its figure.

    What the table says is computed anew, by the present rules.
    """
    if not re.fullmatch("[a-z0-9_]+", name):
        raise LabError(f"name: {name!r} is not made of small letters, digits and _")
    rows, record = results.merge(folders)
    experiment = named(record["experiment"])
    record = experiment.described(results.columns(rows), record)
    PICTURES.mkdir(exist_ok=True)
    table, document = RESULTS / f"{name}.csv", RESULTS / f"{name}.json"
    results.write_table(table, rows)
    results.write_json(document, record)
    with tempfile.TemporaryDirectory() as folder:
        picture, _ = experiment.draw(table, document, Path(folder) / "figure")
        shutil.copy(picture, PICTURES / f"{name}.png")
    print(table)


if __name__ == "__main__":
    main()
