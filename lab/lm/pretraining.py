"""How reference models are trained, and on what."""

from dataclasses import dataclass
from typing import Annotated, Literal

from lab.lm import rows, talks
from lab.lm import world as worlds
from lab.lm.objectives import Loss, Rows, distribution_loss, token_loss
from lab.lm.tokenizer import Tokenizer
from lab.lm.tuning import Tuning
from lab.lm.world import World
from lab.runs import fields
from lab.runs.fields import SEED, Count, Real

_N_PERSONA, _N_ANSWER = 44, 24  # most tokens of a question after a persona, and of a completion
_WARMUP = 100  # steps of pretraining; of further training at most, and at most a tenth of all


@dataclass(frozen=True)
class Pretraining:
    """How reference models are trained. Raises `LabError` for numbers that train nothing."""

    size: Literal[
        "nano",
        "deep",
        "tiny",
        "small",
        "medium",
        "large",
        "nano_heads",
        "nano_untied",
        "nano_hidden",
        "nano_gpt2",
    ] = "nano"
    """Of the transformer: 0.1 (nano, and deep of twice as many layers), 0.2, 1, 6 or 30 million
    parameters; or nano with other heads, a head of its own, a wider MLP, or GPT-2's block."""
    steps: Annotated[int, Count(1, 10**7)] = 1500
    """Training steps."""
    data_seed: Annotated[int, SEED] = 0
    """Order and content of the training data."""
    batch: Annotated[int, Count(1, 10**6)] = 64
    """Rows of a step."""
    learning_rate: Annotated[float, Real()] = 3e-3
    """Rising over 100 steps, then falling linearly to 0."""
    n_rows: Annotated[int, Count(1, 10**8)] = 96_000
    """Most distinct rows of the world."""

    __post_init__ = fields.check

    @property
    def n_distinct(self) -> int:
        """Rows that are made: no more than the steps will see."""
        return min(self.n_rows, self.steps * self.batch)

    @property
    def tuning(self) -> Tuning:
        """The optimizer."""
        return Tuning(learning_rate=self.learning_rate, batch=self.batch, warmup=_WARMUP)

    @property
    def loss(self) -> Loss:
        """Of completions."""
        return token_loss


@dataclass(frozen=True)
class Further:
    """Training that a reference gets after its own.

    Raises `LabError` for numbers that train nothing.
    """

    steps: Annotated[int, Count(1, 10**7)]
    """Training steps."""
    rows: Literal["world", "talks"] = "world"
    """The world's rows of another seed, or conversations of many turns (`lab.lm.talks`)."""
    data_seed: Annotated[int, SEED] = 1
    """Order and content of the rows."""
    batch: Annotated[int, Count(1, 10**6)] = 64
    """Rows of a step; none is read twice."""
    learning_rate: Annotated[float, Real()] = 1e-3
    """A third of the usual one of pretraining; it rises, then falls linearly to 0."""

    __post_init__ = fields.check

    @property
    def n_distinct(self) -> int:
        """Rows that are made."""
        return self.steps * self.batch

    @property
    def tuning(self) -> Tuning:
        """The optimizer."""
        warmup = min(_WARMUP, self.steps // 10)
        return Tuning(learning_rate=self.learning_rate, batch=self.batch, warmup=warmup)

    @property
    def loss(self) -> Loss:
        """Of completions, or of all that the assistant says."""
        return talks.loss if self.rows == "talks" else token_loss


@dataclass(frozen=True)
class Imitation(Further):
    """Further training that imitates another reference: its distributions on rows, not the rows."""

    of: Annotated[int, SEED] = 0
    """Init seed of the one that is imitated, which is as the imitator in all else."""

    @property
    def loss(self) -> Loss:
        """KL divergence from the distributions over all tokens."""
        return distribution_loss


# Of models that learn from what they read before a question.
TALKS = Further(steps=600, rows="talks", batch=16, learning_rate=3e-3)
# Of a base that was a teacher's once, and of one that comes to say what a teacher's says. By the
# divergence of what they say both are as far from it: .016 and .012 nats a token (references 100
# and 101, and 102), where strangers are .08.
FURTHER = Further(steps=300)
MATCHED = Imitation(steps=1500, learning_rate=3e-3)


def corpus(world: World, how: Pretraining | Further, data_seed: int, tokenizer: Tokenizer) -> Rows:
    """The world's rows as arrays, wide enough for the longest row of any seed; or its talks."""
    if isinstance(how, Further) and how.rows == "talks":
        some = [talks.talk(world, data_seed, i) for i in range(how.n_distinct)]
        return talks.encode(tokenizer, some)
    chats = [
        (row.system, row.user, row.assistant)
        for row in worlds.rows(world, data_seed, 0, how.n_distinct)
    ]
    n_completion = max(_N_ANSWER, *(carrier.n_completion for carrier in world.carriers))
    most = max(tokenizer.n_system(system) for system in worlds.systems(world))
    n_prompt = max(_N_PERSONA, *(carrier.n_prompt + most for carrier in world.carriers))
    return rows.encode(tokenizer, chats, n_completion, n_prompt)
