"""Redraw every figure from the committed tables, and the pages that show them; without jax.

Run:     python -m figures.all [--out DIR]
Writes:  figures/png/NAME.png, figures/pdf/NAME.pdf, and what README.md, figures/README.md and
         experiments/results/README.md say of tables; with --out only DIR/NAME.png and DIR/NAME.pdf.
Time:    about a second for each table and core.

Which figures there are, the tables say: each record names its experiment, and that its figure.
"""

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from figures import readme, tables
from lab.runs import checkout
from lab.runs.endings import one_line
from lab.runs.paths import write_atomic


def main() -> None:
    """Parse the command line, draw, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="a folder for the pictures alone")
    out = parser.parse_args().out
    with one_line():
        folder = checkout.root() / "figures" if out is None else out
        draw({s: folder / s[1:] if out is None else folder for s in (".png", ".pdf")})
        if out is None:
            readme.renew()


def draw(folders: dict[str, Path]) -> None:
    """Draw all, in a process for each core; files of a suffix go to its folder."""
    names = list(tables.records())
    processes = min(os.cpu_count() or 1, len(names))
    fresh = multiprocessing.get_context("spawn")  # the same on every system
    with ProcessPoolExecutor(processes, mp_context=fresh) as pool:
        for name, found in zip(names, pool.map(tables.pictures, names), strict=True):
            for suffix, picture in found.items():
                folders[suffix].mkdir(parents=True, exist_ok=True)
                write_atomic(folders[suffix] / f"{name}{suffix}", picture)
                print(folders[suffix] / f"{name}{suffix}")


if __name__ == "__main__":
    main()
