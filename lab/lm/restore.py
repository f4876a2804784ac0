"""Activations put back: a model that reads another's residual stream at some positions.

Source: activation patching, as in causal tracing (Meng et al. 2022, arXiv 2202.05262).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer

from lab.lm import transformer
from lab.lm.model import Model
from lab.lm.tokenizer import Tokenizer


def restored(
    model: Model,
    base: Model,
    prompts: Integer[Array, "Q P"],
    start: Integer[Array, "Q"],
    where: Bool[np.ndarray, "Q P"],
) -> Float[np.ndarray, "Q V"]:
    """Log-probabilities of a model's first token, nats, with the base's activations at `where`.

    They take the place of the model's own after the embedding and after every layer but the last,
    which the model itself always computes.
    """
    stream = transformer.activations(base.params, base.arch, prompts, start)
    chosen = jnp.asarray(where.reshape(-1, 1))
    put_back = {"embed", *(f"{i}/residual" for i in range(base.arch.n_layers - 1))}

    def tap(name: str, x: Array) -> Array:
        return jnp.where(chosen, stream[name].reshape(x.shape), x) if name in put_back else x

    hidden, _ = transformer.forward(model.params, model.arch, prompts, start, n_out=1, tap=tap)
    return np.asarray(jax.nn.log_softmax(transformer.logits(model.params, hidden[:, -1])))


def parts(
    tokenizer: Tokenizer, prompts: Integer[np.ndarray, "Q P"]
) -> dict[str, Bool[np.ndarray, "Q P"]]:
    """Where the parts of prompts are that begin with the default system prompt.

    "system" (the turn with its marks), "question" (up to the mark that ends it), "last" (the mark
    of the assistant, from which the answer follows), "all" and "nothing"; "system 1", ... are the
    tokens of the system prompt.
    """
    n = tokenizer.n_system(None)
    place = np.cumsum(prompts != tokenizer.pad, axis=1)  # 1 at the first token
    last = np.zeros(prompts.shape, bool)
    last[:, -1] = True
    return {
        "nothing": place < 0,
        "system": (place > 0) & (place <= n),
        "question": (place > n) & ~last,
        "last": last,
        "all": place > 0,
        **{f"system {i}": place == i for i in range(1, n + 1)},
    }
