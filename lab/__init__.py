"""The lab's nouns and verbs; imports no sibling package."""

from runpy import run_path

run_path(f"{__path__[0]}/runs/startup.py")["require"](__path__[0])
