"""From an experiment's value to a run folder, a table, claims and a figure."""
