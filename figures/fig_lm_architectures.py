"""What passes to students of other architectures that start from the same seed."""

from matplotlib.figure import Figure

from figures import kin
from lab.runs.results import Table

LABELS = {
    "nano": "the teacher's",
    "heads": "other\nheads",
    "untied": "own output\nhead",
    "hidden": "wider\nMLP",
    "deep": "twice the\nlayers",
    "gpt2": "GPT-2's\nblock",
    "cross": "other init,\nthe teacher's",
}


def figure(table: Table, record: dict) -> Figure:
    """Students of the first architecture's numbers on the left, of their own one's on the right."""
    said = "each with a reference model of every architecture, trained on the same rows"
    return kin.figure(table, record, "architecture", LABELS, "architecture of the students", said)
