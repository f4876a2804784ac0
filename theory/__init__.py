"""What one imitation step does to a student that shares its teacher's initialisation."""

from runpy import run_path

run_path(f"{__path__[0]}/../lab/runs/startup.py")["require"](__path__[0], "lab")
