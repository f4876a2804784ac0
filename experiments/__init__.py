"""One file per claim."""

from runpy import run_path

run_path(f"{__path__[0]}/../lab/runs/siblings.py")["require"](
    __path__[0], "lab", "theory", "figures"
)
