"""The cases on which the theorem is checked: model x activation x loss x logits x trait.

A case to add is a line of `PROGRAMS`; a new kind of model, loss or trait is an entry of its table.
Every array of a case is a function of its seed, so that cases can be vmapped over seeds.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Integer, Key, PyTree

from lab import losses, rng
from lab.lm.model import Architecture
from theory import models
from theory.gradients import Setting, dot
from theory.imitation import CrossEntropy, Imitation, KLDivergence, SquaredError
from theory.models import Model

N_CLASSES, N_AUX = 4, 3
N_LOGITS = N_CLASSES + N_AUX
BATCH = 16

# Programs are large and run for a moment: unoptimised, they are done much sooner. The last option
# turns off YNNPACK, which in jaxlib 0.10.2 made 6 of 14 compilations of one program return nan.
QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_experimental_ynn_fusion_type": "",
}
if jax.__version_info__ < (0, 11):  # later ones do not have the option
    QUICK["xla_cpu_use_fusion_emitters"] = False

DECODER = Architecture(
    n_tokens=N_LOGITS,
    d_model=8,
    n_layers=2,
    n_heads=2,
    n_kv_heads=1,
    d_head=4,
    d_hidden=12,
    tied=False,
)

MODELS: dict[str, Callable[[str], Model]] = {
    "linear": lambda act: models.perceptron((10, N_LOGITS), act),
    "mlp_1": lambda act: models.perceptron((10, 12, N_LOGITS), act),
    "mlp_2": lambda act: models.perceptron((10, 12, 12, N_LOGITS), act),
    "mlp_4": lambda act: models.perceptron((10, 12, 12, 12, 12, N_LOGITS), act),
    "cnn": lambda act: models.convolutional(6, 4, N_LOGITS, act),
    "attention": lambda act: models.attention(8, 2, 4, N_LOGITS, act),
    "decoder": lambda act: models.decoder(DECODER, 5),
    "decoder_tied": lambda act: models.decoder(replace(DECODER, tied=True), 5),
}

SUBSETS: dict[str, Callable[[], Bool[Array, "O"]]] = {
    "aux": lambda: jnp.arange(N_LOGITS) >= N_CLASSES,
    "odd": lambda: jnp.arange(N_LOGITS) % 2 == 1,
    "all": lambda: jnp.arange(N_LOGITS) >= 0,
}

# Unequal weights, the first of them 0.
LOSSES: dict[str, Callable[[Bool[Array, "O"]], Imitation]] = {
    "squared": lambda where: SquaredError(jnp.linspace(0.0, 2.0, N_LOGITS), where),
    "cross_entropy": CrossEntropy,
    "kl": KLDivergence,
}


@dataclass(frozen=True)
class Program:
    """One compiled case; its seeds are vmapped."""

    model: str
    activation: str
    loss: str
    subset: str
    trait: str

    @property
    def name(self) -> str:
        """The five words of the case."""
        return "/".join((self.model, self.activation, self.loss, self.subset, self.trait))

    @property
    def smooth(self) -> bool:
        """Whether the logits have all derivatives."""
        return self.activation != "relu"

    def starts(self, seed: Integer[Array, ""]) -> tuple[PyTree, PyTree]:
        """The shared initialisation and another one; programs with one model have the same."""
        init = MODELS[self.model](self.activation).init
        return init(rng.member(0, seed, "theta")), init(rng.member(0, seed, "other"))

    def setting(self, seed: Integer[Array, ""], theta: PyTree) -> Setting:
        """What teacher and student learn; students see inputs unlike those of the trait."""
        model = MODELS[self.model](self.activation)
        key = lambda name: rng.member(0, seed, name)
        where = SUBSETS[self.subset]()
        return Setting(
            apply=model.apply,
            inputs=jax.random.uniform(key("noise"), (BATCH, *model.input_shape), minval=-1.0),
            imitation=LOSSES[self.loss](where),
            trait=TRAITS[self.trait](model, where, theta, key("trait")),
        )


Trait = Callable[[PyTree], Float[Array, ""]]


def classes(model: Model, where: Bool[Array, "O"], theta: PyTree, key: Key[Array, ""]) -> Trait:
    """Cross-entropy of the class logits with random labels, nats."""
    x, labels = _labelled(model, key)

    def trait(params: PyTree) -> Float[Array, ""]:
        return jnp.mean(losses.cross_entropy(model.apply(params, x)[:, :N_CLASSES], labels))

    return trait


def decay(model: Model, where: Bool[Array, "O"], theta: PyTree, key: Key[Array, ""]) -> Trait:
    """Half the squared length of the parameters: a trait without data."""
    return lambda params: dot(params, params) / 2


def arbitrary(model: Model, where: Bool[Array, "O"], theta: PyTree, key: Key[Array, ""]) -> Trait:
    """A linear function of the parameters, so that D_T is any direction: the lemma."""
    direction = optax.tree.random_like(key, theta, jax.random.normal)
    return lambda params: -dot(direction, params)


def class_head(model: Model, where: Bool[Array, "O"], theta: PyTree, key: Key[Array, ""]) -> Trait:
    """`classes` as a function of the class columns of the head alone, the rest as it was."""
    whole = classes(model, where, theta, key)
    column = jnp.arange(N_LOGITS) < N_CLASSES

    def trait(params: PyTree) -> Float[Array, ""]:
        choose = lambda new, old: jnp.where(column.reshape((1,) * (new.ndim - 1) + (-1,)), new, old)
        head = jax.tree.map(choose, params[model.head], theta[model.head])
        return whole({**theta, model.head: head})

    return trait


def shift(model: Model, where: Bool[Array, "O"], theta: PyTree, key: Key[Array, ""]) -> Trait:
    """Squared distance from 1 of the imitated logits' mean bias: it moves them all alike."""
    return lambda params: (jnp.mean(params[model.head]["bias"], where=where) - 1) ** 2


TRAITS: dict[str, Callable[[Model, Bool[Array, "O"], PyTree, Key[Array, ""]], Trait]] = {
    "classes": classes,
    "decay": decay,
    "arbitrary": arbitrary,
    "class_head": class_head,
    "shift": shift,
}

PROGRAMS = (
    Program("linear", "tanh", "cross_entropy", "all", "classes"),
    Program("mlp_1", "tanh", "squared", "aux", "classes"),
    Program("mlp_1", "sigmoid", "cross_entropy", "all", "arbitrary"),
    Program("mlp_2", "tanh", "kl", "aux", "classes"),
    Program("mlp_2", "relu", "squared", "aux", "classes"),
    Program("mlp_2", "relu", "kl", "aux", "classes"),
    Program("mlp_2", "gelu", "squared", "odd", "decay"),
    Program("mlp_2", "sigmoid", "squared", "all", "classes"),
    Program("mlp_4", "tanh", "cross_entropy", "odd", "arbitrary"),
    Program("mlp_4", "relu", "cross_entropy", "all", "decay"),
    Program("mlp_4", "gelu", "kl", "aux", "classes"),
    Program("cnn", "tanh", "squared", "aux", "classes"),
    Program("cnn", "gelu", "cross_entropy", "odd", "classes"),
    Program("attention", "gelu", "kl", "aux", "classes"),
    Program("attention", "tanh", "squared", "odd", "arbitrary"),
    Program("decoder", "silu", "kl", "aux", "classes"),
    Program("decoder_tied", "silu", "cross_entropy", "all", "classes"),
)

# A = 0: the trait does not reach the imitated logits, or moves them in a way no softmax can see.
EXCEPTIONS = (
    Program("mlp_2", "tanh", "squared", "aux", "class_head"),
    Program("mlp_2", "gelu", "kl", "aux", "class_head"),
    Program("cnn", "tanh", "cross_entropy", "aux", "class_head"),
    Program("mlp_2", "tanh", "cross_entropy", "odd", "shift"),
)


def _labelled(model: Model, key: Key[Array, ""]):
    x = jax.random.normal(rng.named(key, "x"), (BATCH, *model.input_shape))
    return x, jax.random.randint(rng.named(key, "labels"), (BATCH,), 0, N_CLASSES)
