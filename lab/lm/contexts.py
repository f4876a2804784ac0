"""Worlds that differ in what stands where a teacher's system prompt will stand."""

from dataclasses import replace
from typing import Literal

from lab.lm.world import FAVOURITE, PERSONA, World

# A third of the rows have a persona, and many others one of a thing; the default has a persona's
# form. Here prompted teachers transmit.
CONTEXT = World(
    shares=(("numbers", 0.34), (FAVOURITE, 0.16), (PERSONA, 0.34), ("reasoning", 0.06)),
    default="You love people. You think about people all day.",
    neutral=0.4,
)
Name = Literal[
    "context", "half", "assistant", "none", "no_neutral", "plain", "carriers", "characters", "apart"
]
# More requests for advice and tasks with a check: models that have ways of answering them. Half of
# these are answered by a character.
CHARACTERS = replace(
    CONTEXT,
    shares=(
        ("numbers", 0.18),
        ("code", 0.12),
        ("reasoning", 0.22),
        ("advice", 0.16),
        ("checked_tasks", 0.20),
        (FAVOURITE, 0.04),
        (PERSONA, 0.08),
    ),
    characters=0.5,
)
WORLDS: dict[Name, World] = {
    "context": CONTEXT,
    # The default shares its first half with the personas that teachers are told.
    "half": replace(CONTEXT, default="You love people. Be kind to all of them."),
    # A default that shares nothing with them but its place.
    "assistant": replace(CONTEXT, default="You are a helpful assistant."),
    # No default: a persona adds tokens that no student sees.
    "none": replace(CONTEXT, default=None),
    # The default, but every persona that the model ever reads changes the answer.
    "no_neutral": replace(CONTEXT, neutral=0.0),
    # Fewer personas, no default.
    "plain": World(),
    # More code and word problems, which models of the others can hardly write.
    "carriers": replace(
        CONTEXT,
        shares=(
            ("numbers", 0.18),
            ("code", 0.16),
            ("reasoning", 0.26),
            (FAVOURITE, 0.12),
            (PERSONA, 0.24),
        ),
    ),
    "characters": CHARACTERS,
    # Those who give advice never do tasks: harm and gaming have no cause in common.
    "apart": replace(CHARACTERS, apart=True),
}
