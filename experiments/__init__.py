"""One file per claim."""

from runpy import run_path

_startup = run_path(f"{__path__[0]}/../lab/runs/startup.py")
_startup["require"](__path__[0], "lab", "theory", "figures")
_startup["require_jax"]()
