"""Speed and memory, measured side by side; never part of the tests."""

from runpy import run_path

_startup = run_path(f"{__path__[0]}/../lab/runs/startup.py")
_startup["require"](__path__[0], "lab")
_startup["require_jax"]()
