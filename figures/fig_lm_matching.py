"""What passes to a base that was trained on, and to one that imitated the teacher's."""

from matplotlib.figure import Figure

from figures import kin
from lab.runs.results import Table

LABELS = {
    "own": "the teacher's\nown",
    "briefly": "trained\nfurther",
    "again": "trained\nonce more",
    "matched": "other init,\nimitated it",
    "cross": "other init,\nas it was",
}


def figure(table: Table, record: dict) -> Figure:
    """Students of the first base's numbers on the left, of their own one's on the right."""
    briefly, again, matched = (
        f"{record['config'][kind]['steps']:,}" for kind in ("briefly", "again", "matched")
    )
    said = (
        f"each with a reference model, the same after {briefly} and {again} more steps on other "
        f"rows, and one of another init that imitated it there for {matched}"
    )
    return kin.figure(table, record, "base", LABELS, "base of the students", said)
