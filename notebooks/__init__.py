"""Stories that a reader runs and changes; `build` makes each script's .ipynb, with its outputs."""
