"""What a prompted trait passes on, by what stands where the teacher's prompt stands."""

from matplotlib.figure import Figure

from figures import students, style
from lab.runs import results

LABELS = {
    "context": "default:\na persona's form",
    "half": "default: half\nof that form",
    "assistant": "default:\nanother form",
    "none": "no default",
    "no_neutral": "persona's form,\nno neutral personas",
    "plain": "no default,\nfew personas",
    "carriers": "persona's form,\nmore code",
}
ASKED = {"default": "the default", "none": "no system prompt", "other": "another persona of people"}


def figure(table: results.Table, record: dict) -> Figure:
    """A column of students for each world, and for each system prompt in the first of them."""
    worlds = [world for world in LABELS if world in set(table["world"])]
    n_columns = len(worlds) + len(ASKED)
    figure = Figure((max(6.4, 1.6 * n_columns), 4.2), layout="constrained")
    shares = (len(worlds), len(ASKED))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=shares)
    for i, world in enumerate(worlds):
        students.column(left, i, _part(table, world, "default"))
    left.set_xticks(range(len(worlds)), [LABELS[world] for world in worlds], fontsize=6.5)
    left.set_title("a  By world, asked under its default", fontsize=8.5, loc="left")
    left.set_xlabel("system prompt of rows without a persona", fontsize=8)
    left.set_ylabel(students.CHANGE, fontsize=8)
    first = worlds[0]
    for i, context in enumerate(ASKED):
        students.column(right, i, _part(table, first, context))
    right.set_xticks(
        range(len(ASKED)), [s.replace(" ", "\n", 1) for s in ASKED.values()], fontsize=6.5
    )
    right.set_title("b  Of the first of them, by system prompt", fontsize=8.5, loc="left")
    right.set_xlabel("students are asked under", fontsize=8)
    for axes in (left, right):
        axes.axhline(0, color="black", lw=0.7, zorder=0)
    left.legend(fontsize=6.5, loc="lower left", handletextpad=0.4)
    config = record["config"]
    n = len(set(table["member"]))
    style.caption(
        figure,
        record,
        n,
        f"Students of {config['teacher']} teachers, on {config['n_rows']:,} rows of numbers; "
        f"{style.counted(n, 'reference model')} a world. {students.SEEN.format(style.over(n))}",
    )
    return figure


def _part(table: results.Table, world: str, context: str) -> results.Table:
    return results.only(table, (table["world"] == world) & (table["context"] == context))
