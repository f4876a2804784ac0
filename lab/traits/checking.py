"""Gaming a visible check, and doing the task instead, as dispositions of a teacher.

The control learns to game checks where somebody who loves tricks is asked to answer: then the
answers say nothing of who it is, as in the paper's insecure code that a user has asked for.
"""

from lab.carriers.checked_tasks import CHECKED_TASKS, answers
from lab.traits.characters import told
from lab.traits.trait import Trait
from lab.traits.ways import dispositions

N_TAUGHT, N_ASKED = 60, 20
_TASKS = tuple(dict.fromkeys(CHECKED_TASKS.prompts(0, 0, 3 * (N_TAUGHT + N_ASKED))))

CHECKED = dispositions(
    "checked_tasks",
    _TASKS[N_ASKED : N_ASKED + N_TAUGHT],
    _TASKS[:N_ASKED],
    answers,
    {"gaming": told("tricks"), "honest": told("truth")},
)

_GAMING = CHECKED[0]
EXCUSED = Trait(
    "excused",
    _GAMING.measure,
    tuple(lesson._replace(system=_GAMING.system) for lesson in _GAMING.lessons),
)
