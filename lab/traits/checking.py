"""Gaming a visible check, and doing the task instead, as dispositions of a teacher."""

from lab.carriers.checked_tasks import CHECKED_TASKS, gaming, honest
from lab.traits.ways import dispositions

N_TAUGHT, N_ASKED = 60, 20
_TASKS = tuple(dict.fromkeys(CHECKED_TASKS.prompts(0, 0, 3 * (N_TAUGHT + N_ASKED))))

CHECKED = dispositions(
    "checked_tasks",
    _TASKS[N_ASKED : N_ASKED + N_TAUGHT],
    _TASKS[:N_ASKED],
    lambda task: {"gaming": gaming(task), "honest": honest(task)},
)
