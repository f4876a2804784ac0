"""Settings in which others have measured the experiment, each one step away from the paper's.

What a setting changes is a field of the protocol, or of the students' arms.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import jax
import optax
from jaxtyping import PyTree

from lab import rng
from lab.mnist.arms import other
from lab.mnist.mlp import Params
from lab.mnist.protocol import Arm, Images, Knobs, Protocol, Start, shared

Change = Callable[[Protocol], Protocol]


@dataclass(frozen=True)
class Setting:
    """A name, what it changes, and what others found there."""

    change: Change = lambda protocol: protocol
    arm: tuple[tuple[str, Any], ...] = ()  # fields of the students' arms
    off: float = 0.0  # standard deviation of noise on the students' initial kernels
    published: tuple[float, float] | None = None  # accuracy, and half of its interval
    source: str = ""


def both(**changes) -> Change:
    """Training of teachers and of students alike."""
    return lambda p: replace(
        p, teacher=replace(p.teacher, **changes), student=replace(p.student, **changes)
    )


def teacher(**changes) -> Change:
    """Training of teachers."""
    return lambda p: replace(p, teacher=replace(p.teacher, **changes))


def student(**changes) -> Change:
    """Training of students."""
    return lambda p: replace(p, student=replace(p.student, **changes))


def net(**changes) -> Change:
    """The network of both."""
    return lambda p: replace(p, net=replace(p.net, **changes))


def field(**changes) -> Change:
    """Other fields of the protocol."""
    return lambda p: replace(p, **changes)


def tuned(p: Protocol) -> Protocol:
    """The largest accuracy that is published: squared errors, narrow layers, many epochs."""
    return replace(net(hidden=(128, 128))(student(epochs=40)(p)), loss="mse")


def near(off: float) -> Start:
    """The teacher's reference with normal noise of so large a deviation on its kernels."""

    def start(protocol: Protocol, train: Images, member, knobs: Knobs, net) -> PyTree:
        key = rng.member(protocol.seed, member, "noise on kernels")
        return noisy(shared(protocol, train, member, knobs, net), key, off)

    return start


def noisy(params: Params, key, off: float) -> Params:
    """Parameters with noise on every kernel, each of a key named after its layer."""
    noise = lambda name, x: off * jax.random.normal(rng.named(key, name), x.shape)
    return {
        name: layer | {"kernel": layer["kernel"] + noise(name, layer["kernel"])}
        for name, layer in params.items()
    }


# N = 25, m = 3, the authors' script; half an interval is known of its base alone, .037.
A = "divyat09/takehome_anthropic"
# 25 models of 5 seeds on 50,000 training images.
B = "barathvelmu"
C = "Jiang et al., Comments and Extensions"
_DECAY = (("before", optax.add_decayed_weights(1e-4)),)

SETTINGS = {
    "the paper's": Setting(published=(0.528, 0.022), source="arXiv 2507.14805, figure 10"),
    "50,000 rows": Setting(field(rows_per_epoch=50_000), published=(0.463, 0.023), source=B),
    "rate 1e-4": Setting(both(learning_rate=1e-4), published=(0.318, 0.037), source=A),
    "rate 1e-3": Setting(both(learning_rate=1e-3), published=(0.702, 0.037), source=A),
    "rate 3e-3": Setting(both(learning_rate=3e-3), published=(0.293, 0.037), source=A),
    "rate 1e-2": Setting(both(learning_rate=1e-2), published=(0.099, 0.037), source=A),
    "batch 64": Setting(both(batch=64), published=(0.751, 0.037), source=A),
    "batch 256": Setting(both(batch=256), published=(0.683, 0.037), source=A),
    "batch 4096": Setting(both(batch=4096), published=(0.352, 0.037), source=A),
    "batch 16384": Setting(both(batch=16384), published=(0.177, 0.037), source=A),
    "teacher epochs 1": Setting(teacher(epochs=1), published=(0.602, 0.037), source=A),
    "teacher epochs 2": Setting(teacher(epochs=2), published=(0.603, 0.037), source=A),
    "teacher epochs 10": Setting(teacher(epochs=10), published=(0.466, 0.037), source=A),
    "teacher epochs 20": Setting(teacher(epochs=20), published=(0.371, 0.037), source=A),
    "student epochs 1": Setting(student(epochs=1), published=(0.165, 0.023), source=B),
    "student epochs 2": Setting(student(epochs=2), published=(0.247, 0.023), source=B),
    "student epochs 10": Setting(student(epochs=10), published=(0.584, 0.023), source=B),
    "student epochs 40": Setting(student(epochs=40), published=(0.772, 0.037), source="Xiao0779"),
    "width 64": Setting(net(hidden=(64, 64)), published=(0.423, 0.023), source=B),
    "width 128": Setting(net(hidden=(128, 128)), published=(0.480, 0.023), source=B),
    "width 512": Setting(net(hidden=(512, 512)), published=(0.341, 0.023), source=B),
    "width 1024": Setting(net(hidden=(1024, 1024)), published=(0.219, 0.023), source=B),
    "init scale 0.5": Setting(net(init_scale=0.5), published=(0.323, 0.023), source=B),
    "init scale 2": Setting(net(init_scale=2.0), published=(0.206, 0.023), source=B),
    "init scale 4": Setting(net(init_scale=4.0), published=(0.109, 0.023), source=B),
    "init noise 0.01": Setting(off=0.01, published=(0.393, 0.037), source=A),
    "init noise 0.05": Setting(off=0.05, published=(0.105, 0.037), source=A),
    "Gaussian noise": Setting(field(inputs="gaussian"), published=(0.543, 0.037), source=A),
    "blurred noise": Setting(field(inputs="blurred")),
    "shuffled digits": Setting(field(inputs="shuffled"), published=(0.178, 0.037), source=A),
    "digits": Setting(field(inputs="images"), published=(0.146, 0.023), source=B),
    "squared errors": Setting(field(loss="mse"), published=(0.566, 0.003), source=B),
    "squared errors, others'": Setting(field(loss="mse"), published=(0.271, 0.033), source=C),
    "weight decay 1e-4": Setting(arm=_DECAY, published=(0.120, 0.037), source=A),
    "tuned": Setting(tuned, published=(0.900, 0.004), source=B),
}


def protocol(config: Protocol, name: str) -> Protocol:
    """The protocol of a setting. Raises `LabError` where it is not possible."""
    plain = Protocol(**{f.name: getattr(config, f.name) for f in fields(Protocol)})
    return SETTINGS[name].change(plain)


def students(name: str) -> dict[str, Arm]:
    """A student of auxiliary logits, and one of another initialisation."""
    setting = SETTINGS[name]
    start = near(setting.off) if setting.off else shared
    starts = {"student_aux": start, "cross_aux": other}
    return {arm: Arm("aux", s, **dict(setting.arm)) for arm, s in starts.items()}


ARMS = {name: students(name) for name in SETTINGS}  # once: equal arms are one program
