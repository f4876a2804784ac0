"""How many members are trained at once, and whether they fit into memory."""

from collections.abc import Callable, Iterable

import jax

from lab.mnist.protocol import Protocol
from lab.runs import memory

_ACCELERATOR_GROUP = 128  # more members per device than this gain no speed
_COPIES = {"adam": 3, "momentum": 2, "sgd": 1, "sign": 1}  # parameters and what an optimizer keeps
# An estimate is of the largest arrays alone; an accelerator is not filled up to the last byte.
_ROOM = 2


def member_bytes(
    chosen: Protocol, n_students: int, most_rows: int = 0, nets: Iterable = ()
) -> dict[str, int]:
    """Device memory that training one member takes, by the field that it grows with.

    Of what grows with two fields, the larger number is named. `most_rows` are those of a gradient
    that is larger than a batch's, the field `large`; `nets` are students' other networks, if any.
    Measured: .7 to 1.1 of what is taken.
    """
    net = chosen.net
    leaves = jax.tree.leaves(jax.eval_shape(net.init, jax.random.key(0)))
    n_parameters, n_out = sum(x.size for x in leaves), net.n_classes + net.n_aux
    hidden = sum(x.shape[-1] for x in leaves if x.ndim > 1) - n_out
    outputs = max((net.n_aux, "net.n_aux"), (net.n_classes, "net.n_classes"))
    wide = max((hidden, "net.hidden"), outputs)
    batch = max((chosen.student.batch, "student.batch"), (chosen.teacher.batch, "teacher.batch"))
    rows = chosen.rows_per_epoch, "rows_per_epoch"
    copies = _COPIES[chosen.teacher.optimizer] + n_students * _COPIES[chosen.student.optimizer] + 2
    units = max(one.n_activations for one in (net, *nets))
    found = dict[str, int]()
    for (_, field), n_bytes in (
        (wide, 4 * copies * n_parameters),  # states, the reference and gradients
        (max(wide, batch), 16 * batch[0] * units),  # activations and theirs
        (max(wide, (most_rows, "large")), 12 * most_rows * units),
        (max(outputs, rows), rows[0] * (4 * n_out + 24)),  # the teacher's outputs, the order
    ):
        found[field] = found.get(field, 0) + n_bytes
    return found


def group_size(
    chosen: Protocol,
    n_students: int,
    n_members: int,
    group: int | None,
    most_rows: int = 0,
    nets: Iterable = (),
    named: Callable[[str], str] = lambda field: field,
) -> int:
    """Members trained at once: a multiple of the number of devices, not more than needed.

    Raises `LabError` if so many do not fit into memory. `named` says under which name an experiment
    has a field of the protocol.
    """
    one = {named(k): n for k, n in member_bytes(chosen, n_students, most_rows, nets).items()}
    n_devices, each = jax.device_count(), sum(one.values())
    if group is not None:
        per_device = -(-group // n_devices)
    elif jax.default_backend() == "cpu":
        per_device = 1
    else:
        fits = memory.of_device(2**33) // (_ROOM * each)
        per_device = max(1, min(_ACCELERATOR_GROUP, fits))
    per_device = min(per_device, -(-n_members // n_devices))
    memory.require_on_devices(one, "use a smaller network, smaller batches or fewer rows")
    memory.require_on_devices({"group": per_device * each}, "use fewer members at once (--group)")
    return per_device * n_devices
