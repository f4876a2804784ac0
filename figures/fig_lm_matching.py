"""What passes to a base that was trained on, and to one that imitated the teacher's."""

from matplotlib.figure import Figure

from figures import kin
from lab.runs.results import Table

LABELS = {
    "own": "the teacher's\nown",
    "further": "the same,\ntrained further",
    "matched": "other init,\nimitated it",
    "cross": "other init,\nas it was",
}


def figure(table: Table, record: dict) -> Figure:
    """Students of the first base's numbers on the left, of their own one's on the right."""
    further, matched = (f"{record['config'][k]['steps']:,}" for k in ("further", "matched"))
    said = (
        f"each with a reference model, the same after {further} more steps on other rows, and one "
        f"of another init that imitated it there for {matched}"
    )
    return kin.figure(table, record, "base", LABELS, "base of the students", said)
