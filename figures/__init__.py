"""Figures from committed or fresh tables; needs lab.results and matplotlib, never jax."""

from runpy import run_path

run_path(f"{__path__[0]}/../lab/runs/startup.py")["require"](__path__[0], "lab")
