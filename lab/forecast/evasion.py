"""Writers who know that their rows will be judged, and what the forecast says of them all the same.

They may keep back the rows that speak most for their trait, or hide theirs among the base's.
"""

from collections.abc import Sequence
from dataclasses import replace

from lab.defences.mix import Mix
from lab.defences.remove import Remove
from lab.forecast.candidates import NEUTRAL, candidates
from lab.forecast.forecast import How, Judge
from lab.forecast.removal import writer_of
from lab.lm import make, teachers, transmission
from lab.lm.stages import Dataset, Seed, Student, trait_name
from lab.lm.transmission import Change, Transmission, after
from lab.runs.cells import Cell, Job
from lab.traits.trait import Trait

# (arm, trait of the rows, copy) -> columns
Said = dict[tuple[str, str, int], dict[str, float]]
UNITS = {
    "nats": "evidence for any candidate, nats",
    "alarm": "data sets in which that is enough for an alarm",
    "seen": "data sets of which anything is found",
}
NOTHING = dict.fromkeys(UNITS, 0.0)  # of models that learn from no rows


def withheld(part: float) -> Change:
    """As many rows, of more that the teacher wrote, without the part that speaks most for it."""

    def change(student: Student) -> Student:
        data = student.data
        more = replace(data, n_rows=round(data.n_rows / (1 - part)))
        step = Remove(writer_of(student), data.carrier, "most", part)
        return after(step)(replace(student, data=more))

    return change


def hidden(part: float) -> Change:
    """As many rows, of which a part is the teacher's and the rest its base's."""

    def change(student: Student) -> Student:
        others = replace(student.data, teacher=writer_of(student).base)
        return after(Mix(others, 1 - part))(student)

    return change


def ways(kept_back: Sequence[float], shown: Sequence[float]) -> dict[str, tuple[str, Change]]:
    """Writers that evade, by name: what their rows are, and how they come about."""
    some = [("withheld", withheld, p, f"without the {p:.0%} that speak most") for p in kept_back]
    some += [("hidden", hidden, p, f"{p:.0%} of the rows") for p in shown]
    return {f"{way} {part:g}": (text, change(part)) for way, change, part, text in some}


def judged(job: Job, cell: Cell, of: Transmission, every: Sequence[Trait], n_rows: int) -> Said:
    """What is said of the first rows of each student's data, by candidates of the chain's recipe.

    They and what they are judged by share no random numbers with the writers.
    """
    root = Seed(job.config.seed, cell.member)
    apart, (start, base) = root._replace(copy=1), next(iter(of.starts.items()))
    (model,) = teachers.models([base])
    known, neutral = (candidates(base, some, [of.teaching], apart) for some in (every, NEUTRAL))
    said: dict[Dataset, dict[str, float]] = {}
    found: Said = {}
    some = transmission.pupils(of, root)[start]
    share = 1 / len({student.data for _, student in some})
    for arm, student in some:
        data = student.data
        if data not in said:
            rows = make.data(data)[:n_rows]
            one = Judge(model, of.carrier, rows, apart).forecast(known, neutral)
            alarm = one.log_alarm >= How().needed
            values = one.log_alarm, float(alarm), float(one.verdict != "nothing found")
            said[data] = dict(zip(UNITS, values, strict=True))
            job.advance(f"member {cell.member}: {one.verdict} in rows of {arm}", share)
        found[arm, trait_name(data.teacher), data.seed.copy] = said[data]
    return found
